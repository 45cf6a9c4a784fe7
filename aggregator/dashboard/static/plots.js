// Draws what the server wrote into data-plot; without this script the page says the same in words.
"use strict";
const style = getComputedStyle(document.documentElement);
const colour = (name) => style.getPropertyValue(name).trim();
const dark = matchMedia("(prefers-color-scheme: dark)");

const two = (number) => String(number).padStart(2, "0");
const axisTimes = (_plot, ticks) => ticks.map((seconds) => {
  const time = new Date(seconds * 1000);
  const clock = `${two(time.getUTCHours())}:${two(time.getUTCMinutes())}`;
  return clock === "00:00" ? `${two(time.getUTCMonth() + 1)}-${two(time.getUTCDate())}` : clock;
});

const draw = (place) => {
  const { unit, bars, x, series } = JSON.parse(place.dataset.plot);
  // Lines differ by dash and width as well as by colour.
  const looks = [
    { stroke: colour("--accent"), width: 2 },
    { stroke: colour("--care"), width: 2, dash: [7, 4] },
    { stroke: colour("--good"), width: 2.5, dash: [2, 3] },
  ];
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
  const options = {
    width: place.clientWidth,
    height: 170,
    scales: { x: { time: true }, y: { range: (_plot, low, high) => [Math.min(0, low), high > 0 ? high * 1.08 : 1] } },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
    cursor: { y: false },
    // As the lines are drawn, so that the colour alone says nothing.
    legend: { live: true, markers: { width: 3, dash: (_plot, index) => ["solid", "dashed", "dotted"][(index - 1) % 3] } },
    axes: [{ ...axis, values: axisTimes }, { ...axis, size: 56 }],
    series: [
      { label: "UTC", value: (_plot, seconds) => seconds == null ? "–" : new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ") },
      ...series.map((each, index) => ({
        label: each.name,
        spanGaps: false,
        points: { show: false },
        value: (_plot, value) => value == null ? "–" : `${value} ${unit}`.trim(),
        ...looks[index % looks.length],
        ...(bars ? { paths: uPlot.paths.bars({ size: [0.8, 60] }), fill: looks[index % looks.length].stroke, dash: undefined } : {}),
      })),
    ],
  };
  place.replaceChildren();
  return new uPlot(options, [x, ...series.map((each) => each.y)], place);
};

let drawn = [];
const all = () => {
  drawn.forEach((plot) => plot.destroy());
  drawn = [...document.querySelectorAll("[data-plot]")].map(draw);
};
all();
dark.addEventListener("change", all);
let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; all(); } });
