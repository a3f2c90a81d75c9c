/* Where everything stands: the tree of cards, and the overview of tiles. */

const CARD = { width: 172, height: 48, across: 40, down: 8 };
const FOLD_FROM = 3; // so many leaves beside each other that say the same are one card

/** What is drawn below a node (null: the roots): its children by class; leaves of one are folded. */
function itemsBelow(node, { search, collapsed, unfolded, kept }) {
  if (node !== null && (node.fold || collapsed.has(node))) return [];
  const children = node === null ? search.roots : node.children;
  if (children.length < 2) return children;
  const byRank = (a, b) => (a.rank ?? 1e9) - (b.rank ?? 1e9) || a.index - b.index;
  const ordered = node === null ? [...children].sort(byRank) : children;
  const groups = Map.groupBy(ordered.filter((child) => child.children.length === 0 && !kept.has(child)),
    (child) => child.rank ?? -1);
  const folds = new Map(); // node -> the fold it is in
  for (const [rank, nodes] of groups) {
    const key = `${node?.id ?? ""} ${rank}`;
    if (nodes.length < FOLD_FROM || unfolded.has(key)) continue;
    const fold = { fold: key, nodes, rank: nodes[0].rank, up: node, children: [] };
    for (const one of nodes) folds.set(one, fold);
  }
  return [...new Set(ordered.map((child) => folds.get(child) ?? child))];
}

/**
 * Place what no collapsed node hides: roots at the left, nothing over anything.
 *
 * @param how {search, collapsed, unfolded: keys of folds that are open, kept: nodes that are never folded}
 */
function layout(how) {
  const below = new Map();
  const childrenOf = (item) => {
    if (!below.has(item)) below.set(item, itemsBelow(item, how));
    return below.get(item);
  };
  const tops = childrenOf(null);
  const placed = preorder(tops, childrenOf);
  const outlines = new Map();
  for (const item of placed.toReversed()) {
    const { top, bottom } = stack(childrenOf(item), outlines);
    outlines.set(item, { top: [0, ...top], bottom: [0, ...bottom] });
  }
  const whole = stack(tops, outlines);
  const first = Math.min(0, ...whole.top);
  for (const item of placed) {
    item.x = item.up === null ? 0 : item.up.x + CARD.width + CARD.across;
    const middle = item.up === null ? -first * (CARD.height + CARD.down) : item.up.y;
    item.y = middle + item.beside * (CARD.height + CARD.down);
  }
  const rows = Math.max(0, ...whole.bottom) - first;
  return {
    placed,
    width: Math.max(CARD.width, whole.top.length * (CARD.width + CARD.across) - CARD.across),
    height: rows * (CARD.height + CARD.down) + CARD.height,
  };
}

/**
 * Stack subtrees as close as they go (Reingold and Tilford), and note how many rows each one's
 * root is `beside` their middle. Returns the first and the last row that each column takes.
 */
function stack(roots, outlines) {
  const top = [];
  const bottom = [];
  for (const root of roots) {
    const own = outlines.get(root);
    root.beside = top.length === 0 ? 0 : -Infinity;
    for (let column = 0; column < Math.min(own.top.length, top.length); column++) {
      root.beside = Math.max(root.beside, bottom[column] + 1 - own.top[column]);
    }
    own.top.forEach((row, column) => {
      if (column >= top.length) top.push(row + root.beside);
      bottom[column] = own.bottom[column] + root.beside;
    });
  }
  const middle = roots.length === 0 ? 0 : (roots[0].beside + roots.at(-1).beside) / 2;
  for (const root of roots) root.beside -= middle;
  return { top: top.map((row) => row - middle), bottom: bottom.map((row) => row - middle) };
}

const TILE = { least: 3, most: 26, side: 10, head: 23, gap: 6, rows: 7 };

/** A tile a node, in rows by class, as large as they fit: {side, rows: [{key, nodes, y}], height}. */
function tiling(search, width, height) {
  const groups = [...Map.groupBy(search.nodes.toSorted((a, b) => a.order - b.order),
    (node) => (node.rank === null ? "none" : Math.min(node.rank, TILE.rows - 1)))];
  groups.sort(([a], [b]) => (a === "none") - (b === "none") || a - b);
  const across = Math.max(40, width - 2 * TILE.side);
  const tall = (nodes, side) => TILE.head + TILE.gap + side * Math.ceil(nodes.length / Math.floor(across / side));
  let side = TILE.most;
  while (side > TILE.least && groups.reduce((sum, [, nodes]) => sum + tall(nodes, side), TILE.gap) > height) side -= 1;
  const columns = Math.floor(across / side);
  let y = TILE.gap;
  const rows = groups.map(([key, nodes]) => {
    const row = { key, nodes, y };
    nodes.forEach((node, place) => {
      node.tile = [TILE.side + side * (place % columns), y + TILE.head + side * Math.floor(place / columns)];
    });
    y += tall(nodes, side);
    return row;
  });
  return { side, rows, height: y };
}
