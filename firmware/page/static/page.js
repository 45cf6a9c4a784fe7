// What HTML alone cannot do: keep the focus, map keys to the four buttons, type with the keypad, play tones, count
// seconds, and say so when the appliance stops answering. Everything else is drawn by the appliance.
"use strict";

const screenNow = () => document.getElementById("screen");

// --- a new screen ---------------------------------------------------------------------------------------

// What was drawn last: a part that changes beside the screen must not move the focus nor sound again.
let drawn = screenNow()?.dataset.revision;
let highlighted = null; // "" where nothing is: a person's own answer

function follow() {
  const now = screenNow();
  if (!now?.dataset.revision) return;
  document.documentElement.lang = now.lang;
  document.documentElement.dir = now.dir;
  const isNew = now.dataset.revision !== drawn;
  const choice = now.querySelector(".highlighted");
  if (isNew || (choice?.value ?? "") !== highlighted) {
    const typing = !isNew && document.activeElement?.matches("input");
    if (!typing) (now.querySelector(".entry input") ?? choice)?.focus({ preventScroll: true });
  }
  if (isNew) {
    hush();
    play(now.dataset.tones);
    if ("speaks" in now.dataset) speak(prompts());
  } else if (highlighted !== null && choice && choice.value !== highlighted && "speaks" in now.dataset) speak([choice.dataset.prompt]);
  drawn = now.dataset.revision;
  highlighted = choice?.value ?? "";
}

document.addEventListener("htmx:afterSettle", follow);
document.addEventListener("htmx:sseBeforeMessage", (event) => {
  if (event.detail.type === "signed-out") location.assign("/");
  if (event.detail.type === "press") takePresses(event.detail.data);
  if (event.detail.type === "ready") waitForTheAppliance();
  // Beside the work a page is not drawn by parts: it comes anew in the other language.
  if (event.detail.type === "language" && event.detail.data !== document.documentElement.lang) location.assign(document.body.dataset.beside);
});

// --- the line to the appliance --------------------------------------------------------------------------

function lost(isLost) {
  const note = document.querySelector(".lost");
  if (note) note.hidden = !isLost;
}
document.addEventListener("htmx:sseError", () => lost(true));
document.addEventListener("htmx:sseOpen", () => lost(false));
document.addEventListener("htmx:sendError", () => lost(true));

// After the first boot the page is the appliance's, which starts only now.
async function waitForTheAppliance() {
  for (;;) {
    const answer = await fetch("/health").catch(() => null);
    if (answer?.ok) break;
    await new Promise((done) => setTimeout(done, 1000));
  }
  location.assign("/");
}

// --- keys -----------------------------------------------------------------------------------------------

function move(by) {
  const all = [...document.querySelectorAll("main button:not(:disabled), main input:not([type=hidden]), main a")];
  if (all.length) all[(all.indexOf(document.activeElement) + by + all.length) % all.length].focus();
}

const pressKey = (name) => document.querySelector(`.keys [data-key=${name}]`)?.click();

// The board's OK and AGAIN, where something is entered here: the appliance names the last presses by number.
let done = Number(document.body.dataset.pressed ?? 0);

function takePresses(named) {
  const presses = named.split(" ").filter(Boolean).map((one) => one.split(":"));
  if (Number(presses.at(-1)?.[0] ?? 0) < done) done = 0; // the appliance started anew
  for (const [number, button] of presses) {
    if (Number(number) <= done) continue;
    done = Number(number);
    const at = document.activeElement;
    if (button === "help") {
      if ("beside" in document.body.dataset) location.assign("/");
    } else if (button === "ok" && at.matches("button, a")) at.click();
    else if (button === "ok" && at.matches("[type=radio]")) { at.checked = true; move(1); }
    else move(1);
  }
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const types = event.target.matches("input:not([type=radio])");
  if (event.target.matches("[type=radio]") && event.key.startsWith("Arrow")) return;
  const toLeft = document.documentElement.dir === "rtl" ? 1 : -1;
  const bare = types ? "" : event.key.toLowerCase();
  if (event.key === "F1" || bare === "h") pressKey("help");
  else if (event.key === "F2" || bare === "l") pressKey("language");
  else if (bare === "a") pressKey("again");
  else if (bare === "r") speak(prompts());
  else if (event.key === "ArrowDown" || (!types && event.key === "ArrowRight")) move(event.key === "ArrowRight" ? -toLeft : 1);
  else if (event.key === "ArrowUp" || (!types && event.key === "ArrowLeft")) move(event.key === "ArrowLeft" ? toLeft : -1);
  else return;
  event.preventDefault();
});

document.addEventListener("click", (event) => {
  const key = event.target.closest("[data-digit]");
  if (key) {
    const fields = [...key.closest("form").querySelectorAll("input:not([type=hidden], [type=radio])")];
    const field = fields.find((one) => one === lastTyped) ?? fields.at(-1);
    field.value = key.dataset.digit === "" ? field.value.slice(0, -1) : field.value + key.dataset.digit;
  }
  if (event.target.closest("[data-theme-next]")) nextTheme();
  if (event.target.closest("[data-listen]")) speak(prompts());
});

let lastTyped = null;
document.addEventListener("focusin", (event) => { if (event.target.matches("input")) lastTyped = event.target; });

// --- colours --------------------------------------------------------------------------------------------

const THEMES = ["", "night", "sun"];

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}
function nextTheme() {
  const theme = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme ?? "") + 1) % THEMES.length];
  localStorage.setItem("theme", theme);
  setTheme(theme);
}
setTheme(localStorage.getItem("theme") ?? "");

// --- tones: "660:120:40,880:180:0", hertz, milliseconds, and the pause after -----------------------------

let sounds = null;

function play(tones) {
  if (!tones) return;
  sounds ??= new AudioContext();
  let at = sounds.currentTime;
  for (const tone of tones.split(",")) {
    const [hertz, sounding, pause] = tone.split(":").map(Number);
    const source = new OscillatorNode(sounds, { frequency: hertz });
    source.connect(sounds.destination);
    source.start(at);
    source.stop(at + sounding / 1000);
    at += (sounding + pause) / 1000;
  }
}

// --- recordings: one after the other; R, or the button beside the title, says them once more -------------

let voice = null;

const prompts = () => (screenNow()?.dataset.prompts ?? "").split(" ");
const hush = () => voice?.pause();

function speak(files) {
  hush();
  const [first, ...rest] = files.filter(Boolean);
  if (!first) return;
  voice = new Audio(first);
  voice.addEventListener("ended", () => speak(rest));
  voice.play().catch(() => {}); // a browser that nobody touched yet stays silent
}

// --- seconds --------------------------------------------------------------------------------------------

setInterval(() => {
  for (const wait of document.querySelectorAll("[data-seconds]")) {
    wait.dataset.seconds = Math.max(0, wait.dataset.seconds - 1);
    wait.querySelector("[role=timer]").textContent = wait.dataset.seconds;
  }
}, 1000);

follow();
