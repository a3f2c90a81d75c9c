/* The search as data: what was known after each rollout. Nothing here touches the page. */

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
    this.bestNode = byId.get(data.best) ?? null;
    this.last = Math.max(data.rollouts, ...this.nodes.map((node) => node.rollout));
    this.births = Array.from({ length: this.last + 1 }, () => []);
    for (const node of this.nodes) this.births[node.rollout].push(node);
    this.exact = true;
    this.history = this.#replayAll();
    if (this.nodes.some((node) => Math.abs((node.qNow ?? 0) - (node.q ?? 0)) > 1e-6)) {
      this.exact = false; // other rules than Eq. 3 made these values: show only the final ones
      this.history = this.#replayAll();
    }
    this.range = span(this.nodes.filter((node) => !node.dummy).map((node) => node.q ?? null));
  }

  /** Set `shown`, `rewardsNow` and `qNow` of every node to what they were after a rollout. */
  seek(rollout) {
    this.#begin();
    for (let step = 0; step <= rollout; step++) this.#advance(step);
    this.now = rollout;
  }

  /** The node that would have been returned: the first of the highest q that states an answer. */
  bestNow() {
    if (this.now === this.last && this.bestNode !== null) return this.bestNode;
    return this.#highest();
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

  #replayAll() {
    this.#begin();
    const history = [];
    for (let step = 0; step <= this.last; step++) {
      this.#advance(step);
      this.now = step;
      const best = this.bestNow();
      const node = this.births[step].at(-1) ?? null;
      history.push({ node, q: node?.qNow ?? null, best, bestQ: best?.qNow ?? null });
    }
    return history;
  }

  #begin() {
    // A rollout adds a reward to the node that it refines, unless that evaluation failed
    const failed = new Set(this.failures.map((failure) => `${failure.rollout} ${failure.node}`));
    const adds = (child) => child.merges.length === 0 && !failed.has(`${child.rollout} ${child.parent}`);
    for (const node of this.nodes) {
      node.shown = false;
      node.paid = node.up !== null && adds(node);
      const later = node.children.filter((child) => child.rollout > node.rollout && adds(child));
      node.rewardsNow = Math.max(Math.min(1, node.rewards.length), node.rewards.length - later.length);
    }
  }

  #advance(rollout) {
    for (const node of this.births[rollout]) {
      node.shown = true;
      const parent = node.up;
      if (parent !== null && node.paid) {
        parent.rewardsNow = Math.min(parent.rewards.length, parent.rewardsNow + 1);
      }
      for (let at = node; at !== null; at = at.up) at.qNow = this.exact ? backedUp(at) : at.q ?? null;
    }
  }

  #highest() {
    const merit = (node) => [node.final_answer !== undefined, !node.dummy, qOf(node)];
    let best = null;
    for (const node of this.nodes) {
      if (node.shown && (best === null || before(merit(best), merit(node), best, node))) best = node;
    }
    return best;
  }
}

/** Whether the merit `b` is the higher one; of equals the node that was made first counts. */
function before(a, b, nodeA, nodeB) {
  for (let place = 0; place < a.length; place++) {
    if (a[place] !== b[place]) return a[place] < b[place];
  }
  return Number(nodeB.id) < Number(nodeA.id);
}

/** A q to compare by: a node that was never judged has none. */
function qOf(node) {
  return node.qNow ?? -Infinity;
}

/** Eq. 3 of the paper, with the rewards and children of now; null without rewards. */
function backedUp(node) {
  const rewards = node.rewards.slice(0, node.rewardsNow);
  if (rewards.length === 0) return null;
  const own = (Math.min(...rewards) + mean(rewards)) / 2;
  const below = node.children.filter((child) => child.shown && child.qNow !== null)
    .map((child) => child.qNow);
  return below.length === 0 ? own : (own + Math.max(...below)) / 2;
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function span(all) {
  const values = all.filter((value) => value !== null);
  return values.length === 0 ? [0, 0] : [Math.min(...values), Math.max(...values)];
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
