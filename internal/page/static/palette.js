// Colours of the style sheet for what is drawn on a canvas, which cannot name them.

const COLOURS = ["accent", "series2", "line", "muted"];

/** The colours of lines and labels, as the style sheet has them on the side, light or dark, that is shown. */
export class Palette {
  /** @type {Record<string, string>} */ #colours = {};
  onchange = () => {};

  constructor() {
    this.#read();
    for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)", "(prefers-contrast: more)"]) {
      matchMedia(query).addEventListener("change", () => {
        this.#read();
        this.onchange();
      });
    }
  }

  #read() {
    const probe = document.createElement("i");
    probe.className = "vh probe";
    document.body.append(probe);
    for (const name of COLOURS) {
      probe.style.color = `var(--${name})`;
      this.#colours[name] = getComputedStyle(probe).color;
    }
    probe.remove();
  }

  /** @param {string} name */
  of(name) {
    return this.#colours[name] ?? "";
  }

  /** The same, of 9 %. @param {string} name */
  tint(name) {
    return this.of(name).replace(/^rgb\((.*)\)$/, "rgba($1, 0.09)");
  }
}
