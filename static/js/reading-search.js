// Finding a diagnosis by what is typed, in the list that the page has fetched: it works without the network too.
// A name is found when each typed word begins a word of it; else by a synonym that begins with all that is typed.

const MOST = 12;

export function words(text) {
  return text.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "").match(/[\p{L}\p{N}]+/gu) ?? [];
}

// diagnoses: [{id, name, path, others: [synonym without spaces, ...]}], as the server has them.
export function prepare(diagnoses) {
  return diagnoses.map((one) => ({ ...one, words: words(one.name) }));
}

// At most `MOST`: first those whose name begins with what is typed, then by name before synonym, then the shorter.
export function find(prepared, text) {
  const typed = words(text);
  if (typed.length === 0) return [];
  const whole = typed.join(" ");
  const run = typed.join("");
  const found = [];
  for (const one of prepared) {
    const inName = typed.every((part) => one.words.some((word) => word.startsWith(part)));
    if (!inName && !one.others.some((other) => other.startsWith(run))) continue;
    const rank = [one.words.join(" ").startsWith(whole) ? 0 : 1, inName ? 0 : 1, one.name.length];
    found.push({ one, rank });
  }
  const order = (a, b) => a.rank.map((value, at) => value - b.rank[at]).find((difference) => difference !== 0);
  found.sort((a, b) => order(a, b) ?? (a.one.name < b.one.name ? -1 : a.one.name > b.one.name ? 1 : 0));
  return found.slice(0, MOST).map(({ one }) => one);
}
