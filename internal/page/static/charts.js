// The four charts of the server: uPlot draws the lines, this page the words around them.

import { now, wall } from "./clock.js";
import { clock, NOTHING } from "./format.js";
import { byId, write } from "./page.js";
import { Palette } from "./palette.js";
import { CHARTS, full, Series, SHORTEST, SPAN, without, words } from "./series.js";
import uPlot from "./uplot/uPlot.esm.js";

/** @typedef {import("./api.js").Server} Server */
/** @typedef {import("./series.js").Chart} Chart */

const RENEW = 10_000; // milliseconds from one text for screen readers to the next
const FONT_SIZE = 12;
const LABELS = 56; // pixels for the labels of the values
const NEAR = 1.5; // seconds from the pointer to the point whose values are shown
const DASH = [4, 3];

/** Shows the figures of the server and keeps them up to date. */
export class Charts {
  #server;
  #series = new Series();
  #sub = byId("live-sub", HTMLElement);
  #plots;
  #worded = -Infinity;

  /** @param {Server} server */
  constructor(server) {
    this.#server = server;
    const palette = new Palette();
    this.#plots = CHARTS.map((chart, n) => new Plot(chart, this.#series, palette, n === CHARTS.length - 1, () => this.#show()));
    byId("charts", HTMLElement).replaceChildren(...this.#plots.map((plot) => plot.figure));
    palette.onchange = () => this.#plots.forEach((plot) => plot.redraw());
    server.addEventListener("stats", (event) => this.#take(/** @type {CustomEvent} */ (event).detail));
    server.addEventListener("missed", () => this.#miss());
    server.addEventListener("state", () => this.#state());
    this.#show();
  }

  /** @param {{ stats: import("./api.js").Stats, at: number }} answer */
  #take({ stats, at }) {
    if (!this.#series.take(stats, at)) return;
    for (const plot of this.#plots) plot.draw();
    this.#show();
  }

  #miss() {
    this.#series.miss();
    this.#show();
  }

  #state() {
    if (this.#server.state === "key" || this.#server.blind) { // the next key's tenant has other figures
      this.#series.clear();
      for (const plot of this.#plots) plot.draw();
    }
    this.#worded = -Infinity;
    this.#show();
  }

  #show() {
    const pointed = this.#plots.map((plot) => plot.pointed).find((at) => at !== undefined);
    if (pointed !== undefined) write(this.#sub, `at ${clock(wall(pointed))}`);
    else if (this.#server.state === "offline") write(this.#sub, `stopped at ${clock(wall(this.#series.at.at(-1) ?? now()))}`);
    else write(this.#sub, "last 2 minutes");
    for (const plot of this.#plots) plot.show(this.#server.state === "offline");
    if (now() - this.#worded < RENEW || (this.#series.at.length === 0 && this.#worded > 0)) return;
    this.#worded = now();
    for (const plot of this.#plots) plot.word();
  }
}

/** One chart. */
class Plot {
  /** The moment under the pointer. @type {number | undefined} */ pointed;

  #chart;
  #series;
  #box;
  #values;
  #nothing;
  #axis;
  #uplot;

  /**
   * @param {Chart} chart @param {Series} series @param {Palette} palette
   * @param {boolean} last whether the times stand below it
   * @param {() => void} moved is told that the pointer is elsewhere
   */
  constructor(chart, series, palette, last, moved) {
    this.#chart = chart;
    this.#series = series;
    this.#axis = chart.axis([]);
    this.figure = /** @type {HTMLElement} */ (byId("chart", HTMLTemplateElement).content.querySelector("figure")?.cloneNode(true));
    const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (this.figure.querySelector(name));
    part(".t").textContent = chart.title;
    part(".sub").textContent = chart.sub ?? "";
    this.#values = chart.of.map((name, n) => value(part(".vals"), chart.of.length > 1 ? name : "", n));
    this.#box = part(".plot");
    this.#nothing = part(".nodata");
    if (last) this.#box.classList.add("last");
    const drawing = document.createElement("div");
    drawing.className = "lines";
    this.#box.prepend(drawing);
    if (last) this.#box.append(times());
    this.#uplot = new uPlot(this.#options(palette, moved), this.#data(), drawing);
    new ResizeObserver(() => this.#resize(drawing)).observe(drawing);
    this.draw();
  }

  /** Draws the lines as the series are now. */
  draw() {
    const known = this.#chart.of.flatMap((name) => this.#series.known(name));
    this.#axis = this.#chart.axis(known);
    const newest = (this.#series.at.at(-1) ?? now()) / 1000;
    this.#uplot.batch(() => {
      this.#uplot.setData(this.#data(), false);
      this.#uplot.setScale("x", { min: newest - SPAN, max: newest });
      this.#uplot.setScale("y", { min: this.#axis.lo, max: this.#axis.hi });
    });
    const text = known.length === 0 ? without(this.#chart, this.#series) : "";
    write(this.#nothing, text);
    this.#nothing.hidden = text === "";
  }

  /** Draws the same in other colours. */
  redraw() {
    this.#uplot.redraw(false);
  }

  /** Writes the values: those under the pointer, or else those of now. @param {boolean} stopped whether lines end earlier */
  show(stopped) {
    const pointed = this.pointed === undefined ? -1 : this.#series.at.indexOf(this.pointed);
    this.#chart.of.forEach((name, n) => {
      const is = pointed < 0 ? this.#series.now(name) : this.#series.values[name][pointed] ?? null;
      write(/** @type {HTMLElement} */ (this.#values[n]), is === null ? NOTHING : full(this.#chart, is));
    });
    const end = this.#box.querySelector(".times > :last-child");
    if (end) write(end, stopped ? "stopped" : "now");
  }

  /** Renews what screen readers say of the chart. */
  word() {
    this.#box.setAttribute("aria-label", words(this.#chart, this.#series));
  }

  /** @param {HTMLElement} drawing */
  #resize(drawing) {
    const { clientWidth: width, clientHeight: height } = drawing;
    if (width > 0 && (width !== this.#uplot.width || height !== this.#uplot.height)) this.#uplot.setSize({ width, height });
  }

  /** @returns {uPlot.AlignedData} */
  #data() {
    const lowest = this.#chart.log ? SHORTEST : 0;
    const lines = this.#chart.of.map((name) => this.#series.values[name].map((v) => v === null ? null : Math.max(v, lowest)));
    return [this.#series.at.map((at) => at / 1000), ...lines];
  }

  /** @param {Palette} palette @param {() => void} moved @returns {uPlot.Options} */
  #options(palette, moved) {
    const font = `${FONT_SIZE}px ${getComputedStyle(document.body).fontFamily}`;
    const empty = () => this.#chart.of.every((name) => this.#series.known(name).length === 0);
    return {
      width: 320,
      height: 88,
      padding: [8, 0, 8, 0],
      legend: { show: false },
      cursor: {
        y: false,
        dataIdx: (u, _, nearest, second) => Math.abs((u.data[0][nearest] ?? 0) - second) <= NEAR ? nearest : /** @type {any} */ (null),
        sync: { key: "server" },
        drag: { x: false, y: false },
        points: { size: 6 },
      },
      scales: { x: { time: false, auto: false }, y: { auto: false, ...(this.#chart.log ? { distr: 3, log: 10 } : {}) } },
      axes: [
        { show: false },
        {
          side: 1,
          size: LABELS,
          gap: 8,
          font,
          stroke: () => palette.of("muted"),
          grid: { stroke: () => palette.of("line"), width: 1 },
          ticks: { show: false },
          splits: () => empty() ? this.#axis.ticks.slice(0, 1) : this.#axis.ticks,
          filter: (_, ticks) => ticks,
          values: (_, ticks) => ticks.map((tick) => empty() ? "" : this.#chart.label(tick, this.#axis.hi)),
        },
      ],
      series: [{}, ...this.#chart.of.map((_, n) => line(palette, n === 0 ? "accent" : "series2", n > 0, !!this.#chart.tint))],
      hooks: {
        setCursor: [(u) => {
          const at = this.#series.at[u.cursor.idxs?.[1] ?? -1];
          if (at === this.pointed) return;
          this.pointed = at;
          moved();
        }],
      },
    };
  }
}

/**
 * A line, with a dot where it ends and where it is no longer than one.
 * @param {Palette} palette @param {string} colour @param {boolean} dashed @param {boolean} tinted
 * @returns {uPlot.Series}
 */
function line(palette, colour, dashed, tinted) {
  return {
    stroke: () => palette.of(colour),
    width: 1.5,
    ...(dashed ? { dash: DASH } : {}),
    ...(tinted ? { fill: () => palette.tint(colour) } : {}),
    points: {
      show: true,
      size: 5,
      width: 0,
      fill: () => palette.of(colour),
      filter: (u, which) => dots(/** @type {(number | null)[]} */ (u.data[which] ?? [])),
    },
  };
}

/** Where dots are: at the newest value, and at those without neighbours. @param {(number | null)[]} values */
function dots(values) {
  return [...values.keys()].filter((i) => values[i] != null && (i === values.length - 1 || (values[i - 1] == null && values[i + 1] == null)));
}

/** The place of a value in a chart's heading. @param {HTMLElement} into @param {string} name @param {number} which */
function value(into, name, which) {
  const box = document.createElement("span");
  const number = document.createElement("b");
  box.className = "val";
  if (name) {
    const mark = document.createElement("i");
    if (which > 0) mark.className = "c2";
    box.append(mark, name);
  }
  box.append(number);
  into.append(box);
  return number;
}

/** The times below the last chart. */
function times() {
  const box = document.createElement("p");
  box.className = "times";
  for (const text of ["2 min ago", "1 min", "now"]) {
    const time = document.createElement("span");
    time.textContent = text;
    box.append(time);
  }
  return box;
}
