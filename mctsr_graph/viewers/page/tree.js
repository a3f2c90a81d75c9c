/* The picture of the tree: cards on a plane that can be moved and zoomed. */

const ZOOM = { least: 0.03, most: 2, step: 1.25, far: 0.42 };
const MARGIN = 28; // pixels around the tree when it is fitted

class TreeView {
  constructor(search, { onSelect, onToggle }) {
    this.search = search;
    this.onSelect = onSelect;
    this.onToggle = onToggle;
    this.plane = document.getElementById("plane");
    this.cards = document.getElementById("cards");
    this.world = document.getElementById("world");
    this.made = new Map(); // node -> its element
    this.at = { x: 0, y: 0, scale: 1 };
    this.pointers = new Map();
    this.#listen();
  }

  /** Draw the tree as it is now. */
  draw({ collapsed, selected, fresh, marked }) {
    const { placed, width, height } = layout(this.search, collapsed);
    const shown = placed.filter((node) => node.shown);
    Object.assign(this, { width, height, shown, selected });
    const best = new Set(pathOf(this.search.bestNow()));
    const cards = shown.map((node) => {
      const card = this.#card(node);
      const hidden = collapsed.has(node) ? descendants(node).filter((n) => n.shown).length : 0;
      this.#update(card, node, {
        hidden, selected: node === selected, fresh: node === fresh, onBest: best.has(node),
        best: node === this.search.bestNow(), marked: marked.has(node),
      });
      return card;
    });
    this.cards.replaceChildren(...cards);
    this.#drawEdges(shown, best);
    this.cards.classList.toggle("still", shown.length > 150);
    this.focusCard();
  }

  focusCard() {
    const id = this.selected && this.shown.includes(this.selected) ? cardId(this.selected) : "";
    if (id) this.plane.setAttribute("aria-activedescendant", id);
    else this.plane.removeAttribute("aria-activedescendant");
  }

  /** Show the whole tree, or as much as can be read, around the best node. */
  fit() {
    const { clientWidth, clientHeight } = this.plane;
    const across = (clientWidth - 2 * MARGIN) / this.width;
    const down = (clientHeight - 2 * MARGIN) / this.height;
    const scale = Math.max(ZOOM.least, Math.min(1.1, across, down));
    this.#move({
      scale,
      x: (clientWidth - this.width * scale) / 2,
      y: (clientHeight - this.height * scale) / 2,
    });
  }

  /** Fit; but where that is too small to read, go to a node at a readable size. */
  begin(node) {
    this.fit();
    if (this.at.scale < ZOOM.far && node) {
      const scale = 0.62;
      const { clientWidth, clientHeight } = this.plane;
      const path = pathOf(node).length * (CARD.width + CARD.across) * scale;
      const x = path < clientWidth - 2 * MARGIN
        ? (clientWidth - path) / 2 : clientWidth * 0.7 - (node.x + CARD.width) * scale;
      this.#move({ scale, x, y: clientHeight / 2 - (node.y + CARD.height / 2) * scale });
    }
  }

  zoom(factor, at = [this.plane.clientWidth / 2, this.plane.clientHeight / 2]) {
    const scale = Math.max(ZOOM.least, Math.min(ZOOM.most, this.at.scale * factor));
    const change = scale / this.at.scale;
    this.#move({
      scale,
      x: at[0] - (at[0] - this.at.x) * change,
      y: at[1] - (at[1] - this.at.y) * change,
    });
  }

  /** Move just so far that a node can be seen. */
  reveal(node) {
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

  #move(at) {
    this.at = at;
    this.world.style.transform = `translate(${at.x}px, ${at.y}px) scale(${at.scale})`;
    this.plane.classList.toggle("far", at.scale < ZOOM.far);
    this.world.style.setProperty("--scale", at.scale);
    const grid = 24 * at.scale * 2 ** Math.max(0, Math.ceil(Math.log2(0.6 / at.scale)));
    this.plane.style.backgroundSize = `${grid}px ${grid}px`;
    this.plane.style.backgroundPosition = `${at.x}px ${at.y}px`;
  }

  #card(node) {
    if (this.made.has(node)) return this.made.get(node);
    const card = element("div", { class: "card", role: "treeitem", id: cardId(node) });
    const label = element("span", { class: "label", dir: "auto" });
    if (node.final_answer !== undefined) showAnswer(label, shorten(node.final_answer, 80));
    else label.append(element("i", {}, node.dummy ? "I don’t know" : "no final answer"));
    card.append(
      element("span", { class: "q" }),
      element("span", { class: "words" }, label, element("span", { class: "id" })),
      element("span", { class: "toggle", "aria-hidden": "true" }),
    );
    card.classList.toggle("dummy", Boolean(node.dummy));
    card.classList.toggle("pruned", Boolean(node.pruned));
    card.node = node;
    this.made.set(node, card);
    return card;
  }

  #update(card, node, { hidden, selected, fresh, best, onBest, marked }) {
    const [q, words, toggle] = card.children;
    const children = node.children.filter((child) => child.shown).length;
    card.style.transform = `translate(${node.x}px, ${node.y}px)`;
    colour(card, node.qNow, this.search.range);
    q.textContent = points(node.qNow);
    words.lastChild.textContent = best ? `★ best · ${node.id}` : `node ${node.id}`;
    toggle.textContent = hidden > 0 ? `+${hidden}` : "−";
    toggle.hidden = children === 0;
    for (const [name, on] of Object.entries({ selected, fresh, best, onBest, marked })) {
      card.classList.toggle(name, on);
    }
    card.classList.toggle("closed", hidden > 0);
    card.setAttribute("aria-level", node.depth + 1);
    card.setAttribute("aria-selected", selected);
    if (children > 0) card.setAttribute("aria-expanded", hidden === 0);
    else card.removeAttribute("aria-expanded");
    const said = node.final_answer ?? (node.dummy ? "dummy" : "no final answer");
    card.setAttribute("aria-label",
      `node ${node.id}${best ? ", best" : ""}, q ${points(node.qNow)}, ${shorten(said, 80)}`);
  }

  #drawEdges(shown, best) {
    const middle = CARD.height / 2;
    const edge = (node, other = node.up) => {
      const from = [other.x + CARD.width, other.y + middle];
      const half = CARD.across / 2;
      return `M${from[0]} ${from[1]}C${from[0] + half} ${from[1]} ${node.x - half} `
        + `${node.y + middle} ${node.x} ${node.y + middle}`;
    };
    const below = shown.filter((node) => node.up !== null);
    const onBest = below.filter((node) => best.has(node));
    const merging = below.flatMap((node) => node.merges.slice(1)
      .filter((other) => shown.includes(other)).map((other) => edge(node, other)));
    document.getElementById("edges").setAttribute("d", below.map((node) => edge(node)).join(""));
    document.getElementById("merge-edges").setAttribute("d", merging.join(""));
    document.getElementById("best-edges").setAttribute("d", onBest.map((node) => edge(node)).join(""));
  }

  #listen() {
    const { plane } = this;
    const place = (event) => {
      const box = plane.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    plane.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), place(event));
    }, { passive: false });
    plane.addEventListener("pointerdown", (event) => {
      if (event.button === 0) this.pointers.set(event.pointerId, place(event));
      this.dragged = 0;
    });
    plane.addEventListener("pointermove", (event) => {
      if (this.pointers.has(event.pointerId)) this.#drag(event, place(event));
    });
    for (const end of ["pointerup", "pointercancel"]) {
      plane.addEventListener(end, (event) => this.pointers.delete(event.pointerId));
    }
    plane.addEventListener("click", (event) => {
      const node = event.target.closest(".card")?.node;
      if (this.dragged > 5 || node === undefined) return;
      if (event.target.closest(".toggle")) this.onToggle(node);
      else this.onSelect(node);
    });
    plane.addEventListener("dblclick", (event) => {
      const node = event.target.closest(".card")?.node;
      if (node !== undefined) this.onToggle(node);
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

function cardId(node) {
  return `card-${node.index}`;
}
