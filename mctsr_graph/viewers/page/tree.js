/* The picture of the tree: cards on a plane that can be moved and zoomed, or the overview of it. */

const ZOOM = { least: 0.02, most: 2, step: 1.25, near: 0.86, far: 0.42 };
const MARGIN = 24; // pixels around the tree when it is fitted

class TreeView {
  constructor(search, { onSelect, onToggle, onUnfold, signal }) {
    Object.assign(this, { search, onSelect, onToggle, onUnfold, signal });
    this.plane = byId("plane");
    this.cards = byId("cards");
    this.world = byId("world");
    this.overview = new Overview(search);
    this.made = new Map(); // node or key of a fold -> its element
    this.at = { x: 0, y: 0, scale: 1 };
    this.pointers = new Map();
    this.#listen();
  }

  /** Draw the search as it is now. */
  draw(how) {
    this.how = how;
    this.plane.classList.toggle("whole", how.whole);
    byId("world").hidden = how.whole;
    byId("overview").hidden = !how.whole;
    const { placed, width, height } = layout({ ...how, search: this.search });
    const shown = placed.filter((item) => (item.fold ? item.nodes.some((node) => node.shown) : item.shown));
    this.path = new Set(pathOf(this.search.bestNow()));
    Object.assign(this, { width, height, shown });
    if (how.whole) this.overview.draw(how);
    else {
      this.#drawEdges();
      this.#paint();
    }
    this.#name();
  }

  /** Show the whole tree. */
  fit() {
    const { clientWidth, clientHeight } = this.plane;
    const across = (clientWidth - 2 * MARGIN) / this.width;
    const down = (clientHeight - 2 * MARGIN) / this.height;
    const scale = Math.min(1.1, across, down);
    this.#move({
      scale,
      x: (clientWidth - this.width * scale) / 2,
      y: (clientHeight - this.height * scale) / 2,
    });
  }

  /** Fit; where nothing could be read then, show the path from the root to a node. */
  begin(node) {
    this.fit();
    if (this.at.scale >= ZOOM.far || !node) return;
    const { clientWidth, clientHeight } = this.plane;
    const path = pathOf(node);
    const width = path.length * (CARD.width + CARD.across) - CARD.across;
    const scale = Math.max(ZOOM.far, Math.min(0.95, (clientWidth - 2 * MARGIN) / width));
    this.#move({ scale, x: MARGIN, y: clientHeight / 2 - (path.at(-1).y + CARD.height / 2) * scale });
    this.reveal(node);
  }

  zoom(factor, at = [this.plane.clientWidth / 2, this.plane.clientHeight / 2]) {
    const whole = Math.min(this.plane.clientWidth / this.width, this.plane.clientHeight / this.height);
    const scale = Math.max(Math.min(ZOOM.least, whole / 2), Math.min(ZOOM.most, this.at.scale * factor));
    const change = scale / this.at.scale;
    this.#move({
      scale,
      x: at[0] - (at[0] - this.at.x) * change,
      y: at[1] - (at[1] - this.at.y) * change,
    });
  }

  /** Move just so far that a node can be seen. */
  reveal(node) {
    if (node.x === undefined || this.how.whole) return;
    const { x, y, scale } = this.at;
    const into = (from, size, room) => {
      if (from < MARGIN) return MARGIN - from;
      return from + size > room - MARGIN ? Math.max(room - MARGIN - from - size, MARGIN - from) : 0;
    };
    this.#move({
      scale,
      x: x + into(node.x * scale + x, CARD.width * scale, this.plane.clientWidth),
      y: y + into(node.y * scale + y, CARD.height * scale, this.plane.clientHeight),
    });
  }

  /** The nearest node of the same column, above (-1) or below (1). */
  beside(node, direction) {
    const ahead = this.shown.filter((other) => other.x === node.x
      && Math.sign(other.y - node.y) === direction);
    return ahead.sort((a, b) => Math.abs(a.y - node.y) - Math.abs(b.y - node.y))[0] ?? null;
  }

  /** Say to a screen reader which node is selected, also where no card of it is drawn. */
  #name() {
    const { selected } = this.how;
    const here = byId("here");
    const card = selected && this.made.get(selected);
    const isDrawn = card?.isConnected && !this.how.whole;
    here.hidden = !selected || isDrawn;
    if (selected) here.setAttribute("aria-label", nameOf(selected, this.search));
    if (selected) this.plane.setAttribute("aria-activedescendant", isDrawn ? card.id : here.id);
    else this.plane.removeAttribute("aria-activedescendant");
  }

  #move(at) {
    this.at = at;
    this.world.style.transform = `translate(${at.x}px, ${at.y}px) scale(${at.scale})`;
    this.world.style.setProperty("--scale", at.scale);
    const level = at.scale < ZOOM.far ? "far" : at.scale < ZOOM.near ? "middle" : "near";
    this.plane.dataset.level = level;
    const grid = 24 * at.scale * 2 ** Math.max(0, Math.ceil(Math.log2(0.6 / at.scale)));
    this.plane.style.backgroundSize = `${grid}px ${grid}px`;
    this.plane.style.backgroundPosition = `${at.x}px ${at.y}px`;
    if (!this.how.whole) this.#paint();
    this.#name();
  }

  /** Cards where they can be seen and read; blocks where they would be too small to read. */
  #paint() {
    const { x, y, scale } = this.at;
    const isFar = scale < ZOOM.far;
    const [right, bottom] = [this.plane.clientWidth, this.plane.clientHeight];
    const isSeen = (item) => item.x * scale + x < right + 80 && (item.x + CARD.width) * scale + x > -80
      && item.y * scale + y < bottom + 80 && (item.y + CARD.height) * scale + y > -80;
    const cards = isFar ? [] : this.shown.filter(isSeen).map((item) => this.#card(item));
    if (cards.length !== this.cards.children.length || cards.some((card, at) => card !== this.cards.children[at])) {
      this.cards.replaceChildren(...cards);
    }
    this.#drawBlocks(isFar ? this.shown : []);
  }

  #drawBlocks(items) {
    const paths = new Map();
    const best = this.search.bestNow();
    const { width, height } = CARD;
    const add = (key, item) =>
      paths.set(key, `${paths.get(key) ?? ""}M${item.x} ${item.y}h${width}v${height}h${-width}z`);
    for (const item of items) {
      add(classMark(item.rank), item);
      if (item === this.how.selected) add("chosen", item);
      else if (item === best) add("best", item);
    }
    byId("blocks").replaceChildren(...[...paths].map(([key, d]) => svg("path",
      key === "chosen" || key === "best" ? { class: key, d } : { class: "block", "data-class": key, d })));
  }

  #card(item) {
    const key = item.fold ?? item;
    if (!this.made.has(key)) {
      const card = element("div", { class: "card", role: "treeitem", id: `card-${this.made.size}` },
        letter(item.rank), " ",
        element("span", { class: "words" }, element("span", { class: "label", dir: "auto" }, inWords(item.nodes?.[0] ?? item)),
          " ", element("span", { class: "toggle", "aria-hidden": "true" }), " ", element("span", { class: "id", "aria-hidden": "true" })),
        element("span", { class: "value" }, element("i", {})));
      this.made.set(key, card);
    }
    const card = this.made.get(key);
    card.item = item;
    if (card.drawn !== this.how) (item.fold ? this.#updateFold : this.#update).call(this, card, item);
    card.drawn = this.how;
    card.style.transform = `translate(${item.x}px, ${item.y}px)`;
    return card;
  }

  #updateFold(card, fold) {
    const { matches } = this.how;
    const shown = fold.nodes.filter((node) => node.shown);
    card.className = "card fold";
    card.querySelector(".id").textContent = `${shown.length} nodes`;
    card.querySelector(".toggle").textContent = `+${shown.length}`;
    card.querySelector(".value").hidden = true;
    card.classList.toggle("faint", Boolean(matches) && !shown.some((node) => matches.has(node)));
    card.setAttribute("aria-label", `${saidBy(fold.nodes[0])}, +${shown.length}, ${shown.length} nodes beside each other`);
    card.setAttribute("aria-expanded", false);
    card.setAttribute("aria-level", fold.nodes[0].depth + 1);
  }

  #update(card, node) {
    const { collapsed, selected, fresh, marked, matches } = this.how;
    const best = node === this.search.bestNow();
    const children = node.children.filter((child) => child.shown).length;
    const hidden = collapsed.has(node) ? descendants(node).filter((one) => one.shown).length : 0;
    const on = {
      selected: node === selected, fresh: node === fresh, best, onBest: this.path.has(node), dummy: node.dummy,
      marked: marked.has(node), closed: hidden > 0, out: isOut(node), faint: matches && !matches.has(node),
    };
    card.className = ["card", ...Object.keys(on).filter((name) => on[name])].join(" ");
    const id = card.querySelector(".id");
    id.textContent = id.title = `${best ? "★ " : ""}${markOf(node, best).join(" · ")}`;
    const toggle = card.querySelector(".toggle");
    toggle.textContent = hidden > 0 ? `+${hidden}` : "−";
    toggle.hidden = children === 0;
    const value = card.querySelector(".value");
    colour(value, node.qNow, this.search.scale);
    if (node.qNow !== null) {
      const place = 100 * onScale(node.qNow, this.search.scale);
      value.firstChild.style.left = `${Math.min(50, place)}%`;
      value.firstChild.style.width = `${Math.abs(place - 50)}%`;
    }
    card.setAttribute("aria-level", node.depth + 1);
    card.setAttribute("aria-selected", node === selected);
    if (children > 0) card.setAttribute("aria-expanded", hidden === 0);
    else card.removeAttribute("aria-expanded");
    card.setAttribute("aria-label", nameOf(node, this.search, hidden));
  }

  #drawEdges() {
    const middle = CARD.height / 2;
    const edge = (item, other = item.up) => {
      const from = [other.x + CARD.width, other.y + middle];
      const half = CARD.across / 2;
      return `M${from[0]} ${from[1]}C${from[0] + half} ${from[1]} ${item.x - half} `
        + `${item.y + middle} ${item.x} ${item.y + middle}`;
    };
    const seen = new Set(this.shown);
    const below = this.shown.filter((item) => item.up !== null);
    const merging = below.flatMap((item) => (item.merges ?? []).slice(1)
      .filter((other) => seen.has(other)).map((other) => edge(item, other)));
    const onBest = below.filter((item) => this.path.has(item));
    byId("edges").setAttribute("d", below.map((item) => edge(item)).join(""));
    byId("merge-edges").setAttribute("d", merging.join(""));
    byId("best-edges").setAttribute("d", onBest.map((item) => edge(item)).join(""));
  }

  /** What lies under the pointer: a node or a fold. */
  #under(event, [x, y]) {
    if (this.how.whole) {
      const { scrollLeft, scrollTop } = byId("overview");
      return this.overview.nodeAt(x + scrollLeft, y + scrollTop);
    }
    const card = event.target.closest(".card");
    if (card || this.at.scale >= ZOOM.far) return card?.item ?? null;
    const [left, top] = [(x - this.at.x) / this.at.scale, (y - this.at.y) / this.at.scale];
    return this.shown.find((item) => left >= item.x && left <= item.x + CARD.width
      && top >= item.y && top <= item.y + CARD.height) ?? null;
  }

  #listen() {
    const { plane } = this;
    const on = (type, act, how = {}) => plane.addEventListener(type, act, { signal: this.signal, ...how });
    const place = (event) => {
      const box = plane.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    on("wheel", (event) => {
      if (this.how.whole) return;
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), place(event));
    }, { passive: false });
    on("pointerdown", (event) => {
      if (event.button === 0) this.pointers.set(event.pointerId, place(event));
      this.dragged = 0;
    });
    on("pointermove", (event) => {
      if (this.pointers.has(event.pointerId) && !this.how.whole) this.#drag(event, place(event));
    });
    for (const end of ["pointerup", "pointercancel"]) on(end, (event) => this.pointers.delete(event.pointerId));
    on("click", (event) => {
      const item = this.#under(event, place(event));
      if (this.dragged > 5 || item === null) return;
      if (item.fold) this.onUnfold(item);
      else if (event.target.closest(".toggle")) this.onToggle(item);
      else this.onSelect(item);
    });
    on("dblclick", (event) => {
      const item = event.target.closest(".card")?.item;
      if (item !== undefined && !item.fold) this.onToggle(item);
    });
  }

  #drag(event, [x, y]) {
    const [wasX, wasY] = this.pointers.get(event.pointerId);
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other !== undefined) {
      const distance = (a, b) => Math.hypot(a - other[0], b - other[1]);
      const middle = [(x + other[0]) / 2, (y + other[1]) / 2];
      this.zoom(distance(x, y) / Math.max(1, distance(wasX, wasY)), middle);
    } else {
      this.#move({ ...this.at, x: this.at.x + x - wasX, y: this.at.y + y - wasY });
    }
    this.dragged += Math.abs(x - wasX) + Math.abs(y - wasY);
    if (this.dragged > 5 && !this.plane.hasPointerCapture(event.pointerId)) {
      this.plane.setPointerCapture(event.pointerId); // not at once: a click goes to its card
    }
    this.pointers.set(event.pointerId, [x, y]);
  }
}
