// Where a reading stands in this page: plain values, and functions from one state to the next. No document, no network.
// `current`, `next` and `again` are cases as the server describes them; `outbox` are the answers that it has not
// confirmed yet, each as it is sent, with is_last and is_practice of its case beside it.

export function begin(standing, { outbox = [], again = null } = {}) {
  const empty = { answered: 0, finished: false, current: null, next: null, again, dismissed: null, outbox };
  return adopt({ ...empty, place: [0, 0] }, standing);
}

// How far the server is: cases only grow in number, and stages within a case.
function placeOf(standing) {
  return [standing.answered, standing.current?.stage ?? 0];
}

function isBefore([cases, stage], [otherCases, otherStage]) {
  return cases < otherCases || (cases === otherCases && stage < otherStage);
}

// The server's word replaces ours, but for the answers that are still on their way to it. A reply that knows of less
// than we have seen is an old one that was overtaken.
export function adopt(state, standing) {
  if (standing.agree) return { ...state, mustAgree: true };
  const place = placeOf(standing);
  if (isBefore(place, state.place)) return state;
  const { total, answered, finished, may_end: mayEnd, conduct, stages, feedback, changeable } = standing;
  const known = { total, answered, finished, mayEnd, conduct, stages, feedback, changeable };
  return { ...state, ...known, place, ...ahead(standing, state.outbox) };
}

// The cases that can be read now: those the server named, less what is answered and waits to be sent. After a stage
// that is not its case's last, and after a practice case, only the server knows what comes.
function ahead({ current, next }, outbox) {
  const waiting = outbox.filter((made) => !made.replaces);
  const first = (shown) => waiting.find((made) => made.item === shown?.item && made.stage === shown.stage);
  let cases = [current, next];
  for (let made = first(cases[0]); made; made = first(cases[0]))
    cases = made.is_last && !made.is_practice ? [...cases.slice(1), null] : [null, null];
  return { current: cases[0] ?? null, next: cases[1] ?? null };
}

// Answers that wait, as the store has them: another tab may have added some, or had them delivered.
export function withOutbox(state, outbox) {
  return { ...state, outbox, ...ahead(state, outbox) };
}

// What is on the screen is answered: the answer waits to be sent, and what comes after it, if it is known, is current.
export function answer(state, { submission, answers, ...told }) {
  const shown = state.again ?? state.current;
  const made = {
    item: shown.item,
    stage: shown.stage,
    submission,
    ...(state.again ? { replaces: shown.given.submission } : {}),
    answers,
    ...told,
    is_last: shown.is_last,
    is_practice: shown.is_practice,
  };
  return { ...withOutbox(state, [...state.outbox, made]), again: null };
}

// The server has said what became of this submission; it need not be sent again.
export function delivered(state, submission) {
  return { ...state, outbox: state.outbox.filter((made) => made.submission !== submission) };
}

// An answered case is on the screen, to be changed; null: it stays as it is.
export function look(state, again) {
  return { ...state, again };
}

// What is told after a practice case has been read.
export function dismiss(state) {
  return { ...state, dismissed: state.feedback?.item ?? null };
}

export function feedbackDue(state) {
  return state.again || state.outbox.length > 0 || state.feedback?.item === state.dismissed ? null : state.feedback;
}

// The answered case before the one on the screen that may be changed; null: none, or its answer is still on its way.
export function changeableBefore(state) {
  const before = state.again?.position ?? Infinity;
  const waiting = new Set(state.outbox.map((made) => made.item));
  const open = (state.changeable ?? []).filter((may) => may.position < before && !waiting.has(may.item));
  if (state.conduct.changes === "until-next" && state.outbox.length > 0) return null;
  return open.at(-1) ?? null;
}

// Whether a break is suggested before this case. Of the case that the server calls current it says so itself.
export function breakDue(state, shown, taken) {
  const every = state.conduct.break_every;
  if (!every || shown.position === 1 || (shown.position - 1) % every !== 0 || taken.has(shown.item)) return false;
  if (shown.stage !== state.stages[0].stage) return false;
  return shown.position === state.answered + 1 ? state.conduct.break_is_due : true;
}

// Where the reader goes from here: "done", "end" (to say so himself), "agree" (the consent text was amended), or null,
// on with reading.
export function wayOut(state) {
  if (state.outbox.length > 0 || state.again) return null;
  if (state.mustAgree) return "agree";
  if (state.finished && !feedbackDue(state)) return "done";
  return state.mayEnd && !feedbackDue(state) ? "end" : null;
}
