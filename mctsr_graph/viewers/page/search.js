/* The search as data: what was recorded after each step. Nothing here touches the page. */

class Search {
  constructor(data) {
    Object.assign(this, data); // problem, final_answer, best, rollouts, usage, failures, ...
    const byId = new Map(data.nodes.map((node) => [node.id, node]));
    for (const node of data.nodes) {
      node.children = [];
      node.up = byId.get(node.parent) ?? null;
      // What it merges, `up` first; nothing for a node that merges nothing
      node.merges = (node.parents ?? []).map((id) => byId.get(id)).filter((other) => other);
      node.mergedInto = [];
    }
    for (const node of data.nodes) {
      node.up?.children.push(node);
      for (const other of node.merges) other.mergedInto.push(node);
    }
    this.nodes = preorder(data.nodes.filter((node) => node.up === null));
    this.nodes.forEach((node, index) => (node.index = index));
    this.roots = this.nodes.filter((node) => node.up === null);
    this.byId = byId;
    this.last = this.steps.length - 1;
    this.history = this.#playAll();
  }

  /** Show the search after a step: set what every node was then (`shown`, `qNow`, ...). */
  seek(at) {
    this.#begin();
    for (let step = 0; step <= at; step++) this.#advance(this.steps[step]);
    this.now = at;
  }

  /** The node that would have been returned; null where that is not known. */
  bestNow() {
    return this.byId.get(this.steps[this.now].leader) ?? null;
  }

  /** The nodes made up to now that state an answer or none, by class, the best class first. */
  answersNow() {
    const classes = new Map();
    for (const node of this.nodes) {
      if (!node.shown || node.dummy) continue;
      const key = node.class ?? -1;
      if (!classes.has(key)) classes.set(key, []);
      classes.get(key).push(node);
    }
    for (const nodes of classes.values()) nodes.sort((a, b) => qOf(b) - qOf(a));
    return [...classes].sort(([a, as], [b, bs]) =>
      (a === -1) - (b === -1) || bs.length - as.length || qOf(bs[0]) - qOf(as[0]));
  }

  /** What each step came to: its node, and what led then. */
  #playAll() {
    this.#begin();
    return this.steps.map((step, at) => {
      this.#advance(step);
      this.now = at;
      const node = this.byId.get(step.node) ?? null;
      const { chance, leader_q: bestQ } = step;
      return { step, node, q: node?.qNow ?? null, best: this.bestNow(), bestQ, chance };
    });
  }

  #begin() {
    for (const node of this.nodes) {
      Object.assign(node, { shown: false, qNow: null, rewardsNow: 0, prunedNow: false, pinnedNow: false });
    }
  }

  #advance({ made, rewards, values, act, node }) {
    for (const id of made) this.byId.get(id).shown = true;
    for (const [id, added] of Object.entries(rewards)) this.byId.get(id).rewardsNow += added;
    for (const [id, q] of Object.entries(values)) this.byId.get(id).qNow = q;
    if (act === "prune" || act === "restore") this.byId.get(node).prunedNow = act === "prune";
    if (act === "pin" || act === "unpin") this.byId.get(node).pinnedNow = act === "pin";
  }
}

/** A q to compare by: a node that was never judged has none. */
function qOf(node) {
  return node.qNow ?? -Infinity;
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Parents before children, siblings in order; a loop, since a chain may be deep. */
function preorder(roots, childrenOf = (node) => node.children) {
  const found = [];
  const waiting = [...roots].reverse();
  while (waiting.length > 0) {
    const node = waiting.pop();
    found.push(node);
    for (const child of [...childrenOf(node)].reverse()) waiting.push(child);
  }
  return found;
}

function pathOf(node) {
  const path = [];
  for (let at = node; at; at = at.up) path.push(at);
  return path;
}

function descendants(node) {
  return preorder(node.children);
}
