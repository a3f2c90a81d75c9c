/* Which answers are equal, and in what order they are named: A is the one that is returned. */

const COUNTED = { k: "calls", o: "tokens", s: "seconds" };

/** Steps as `_packed` of page_data.py made them, with their names and what goes without saying. */
function unpacked(steps) {
  const sums = {};
  return steps.map((step) => {
    for (const [short, name] of Object.entries(COUNTED)) sums[name] = (sums[name] ?? 0) + (step[short] ?? 0);
    const { i: index, t: task = null, a: act, n: node = null, p: parent = null, r: rewards = {}, v: values = {}, l: leader = null } = step;
    const { m: made = node === null ? [] : [node], q: leader_q = null, c: chance = null, d: price = null, z: unknown = 0 } = step;
    return { index, task, act, node, parent, rewards, values, leader, made, leader_q, chance, price, known: !unknown, ...(unknown ? {} : sums) };
  });
}

/** Set `rank` (0 for A; null where no final answer is stated) and `order` of every node. */
function rankClasses(search, created) {
  created.forEach((node, place) => (node.order = place));
  const byNode = new Map(created.map((node) => [node.id, node]));
  const likeliest = (search.classes ?? []).map(({ nodes }) => byNode.get(nodes[0])?.class);
  const sizes = new Map();
  for (const node of created) sizes.set(node.class, (sizes.get(node.class) ?? 0) + 1);
  const bySize = [...sizes.keys()].sort((a, b) => sizes.get(b) - sizes.get(a));
  const keys = [search.bestNow()?.class, ...likeliest, ...bySize].filter((key) => key !== undefined);
  // Where two searches are shown, an answer has one letter in both
  const given = new Map((search.letters ?? []).map((rank, key) => [key, rank]).filter(([, rank]) => rank !== null));
  const free = Math.max(-1, ...given.values()) + 1;
  const others = [...new Set(keys)].filter((key) => !given.has(key));
  const ranks = new Map([...given, ...others.map((key, place) => [key, free + place])]);
  for (const node of created) node.rank = ranks.get(node.class) ?? null;
}

/** Set `outNow` of every node: whether a person has taken it out of play by now. */
function markOut(search) {
  if (search.now === search.last) { // what stands in the tree, also where nothing was recorded
    for (const node of search.nodes) [node.prunedNow, node.pinnedNow] = [Boolean(node.pruned), Boolean(node.pinned)];
  }
  const isPinned = search.nodes.some((node) => node.pinnedNow);
  for (const node of search.nodes) { // parents go before children
    node.cutNow = Boolean(node.prunedNow || node.up?.cutNow);
    node.wantedNow = Boolean(!node.cutNow && (node.pinnedNow || node.up?.wantedNow));
    node.outNow = isPinned ? !node.wantedNow : node.cutNow;
  }
}

/** Which nodes are looked for: a test of a node, or null where none is. */
function filterOf(search, words, kind) {
  const wanted = words.trim().toLowerCase();
  const kinds = {
    all: () => true,
    unjudged: (node) => node.qNow === null,
    person: (node) => Boolean(node.steering || node.pruned || node.pinned),
    repeat: (node) => node.duplicate_of !== undefined || node.repeats !== undefined,
    cut: (node) => Boolean(node.truncated),
  };
  const isOfKind = kinds[kind] ?? ((node) => classMark(node.rank) === kind.slice(1));
  if (wanted === "" && kind === "all") return null;
  return new Set(search.nodes.filter((node) => isOfKind(node) && (wanted === "" || textOf(node).includes(wanted))));
}

/** Everything that a node says, for looking a word up. */
function textOf(node) {
  node.lower ??= [`node ${node.id}`, node.final_answer ?? "", inWords(node), node.answer, node.critique ?? ""]
    .join("\n").toLowerCase();
  return node.lower;
}
