// Says so when the aggregator stops answering: what is old must not look live.
"use strict";
const stale = document.getElementById("stale");
const lost = () => { stale.hidden = false; };
document.body.addEventListener("htmx:sendError", lost);
document.body.addEventListener("htmx:timeout", lost);
document.body.addEventListener("htmx:responseError", lost);
// What somebody writes or has opened stays; a link or button that has the focus keeps it by its id.
document.body.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.querySelector("input:focus, details[open]")) event.preventDefault();
});
document.body.addEventListener("htmx:afterSwap", () => { stale.hidden = true; });
