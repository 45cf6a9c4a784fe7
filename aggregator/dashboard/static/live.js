// Says so when the aggregator stops answering: what is old must not look live.
"use strict";
const stale = document.getElementById("stale");
const lost = () => { stale.hidden = false; };
document.body.addEventListener("htmx:sendError", lost);
document.body.addEventListener("htmx:timeout", lost);
document.body.addEventListener("htmx:responseError", lost);
document.body.addEventListener("htmx:afterSwap", () => { stale.hidden = true; });
