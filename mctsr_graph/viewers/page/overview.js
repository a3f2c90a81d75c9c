/* The whole search at a glance: a tile a node, in rows by answer, coloured by q. */

const SVG = "http://www.w3.org/2000/svg";
const SHADES = 11; // steps of the scale; tiles of one are one path

class Overview {
  constructor(search) {
    this.search = search;
    this.place = byId("overview");
  }

  draw({ selected, matches }) {
    const { clientWidth, clientHeight } = byId("plane");
    const { side, rows, height } = tiling(this.search, clientWidth, clientHeight - 2);
    Object.assign(this, { side, rows });
    const drawing = svg("svg", { width: clientWidth, height });
    const paths = new Map();
    const add = (key, node, inset = 0) => {
      const [x, y] = node.tile;
      const long = side - (side > 7 ? 2 : 1) - 2 * inset;
      paths.set(key, `${paths.get(key) ?? ""}M${x + inset} ${y + inset}h${long}v${long}h${-long}z`);
    };
    for (const node of this.search.nodes) {
      if (!node.shown) continue;
      const shade = node.qNow === null ? "hatched"
        : Math.round((SHADES - 1) * onScale(node.qNow, this.search.scale));
      add(`${matches && !matches.has(node) ? "faint" : "tile"} ${shade}`, node);
      if (isOut(node)) add("out", node);
    }
    const best = this.search.bestNow();
    for (const node of pathOf(selected)) add("onPath", node);
    if (best?.shown) add("best", best, -1);
    if (selected?.shown) add("chosen", selected, -1);
    for (const [key, d] of paths) {
      const [kind, shade] = key.split(" ");
      const path = svg("path", { class: shade === "hatched" ? `${kind} hatched` : kind, d });
      if (shade !== undefined) path.style.setProperty("--t", shade / (SHADES - 1) || 0);
      drawing.append(path);
    }
    this.place.replaceChildren(drawing, ...rows.map((row) => this.#label(row)));
  }

  /** The node whose tile is there, in pixels from the corner of the overview. */
  nodeAt(x, y) {
    const hits = (node) => x >= node.tile[0] && x < node.tile[0] + this.side
      && y >= node.tile[1] && y < node.tile[1] + this.side;
    return this.search.nodes.find((node) => node.shown && hits(node)) ?? null;
  }

  #label({ key, nodes, y }) {
    const rank = key === "none" ? null : key;
    const shown = nodes.filter((node) => node.shown).length;
    const mark = letter(rank);
    const isMixed = nodes.some((node) => node.rank > key);
    if (isMixed) mark.textContent = "+";
    const words = isMixed ? "other answers" : rank === null ? "no final answer" : shorten(inWords(nodes[0]), 60);
    const label = element("span", { class: "row" }, mark, element("b", { dir: "auto" }, words),
      element("span", {}, several(shown, "node")));
    label.style.top = `${y}px`;
    return label;
  }
}

function svg(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
