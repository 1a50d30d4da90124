// The questions of a stage: put in place, filled, and read. Their markup is the server's, in a <template> for each stage.

import { createRanking } from "./reading-ranking.js";

const CANNOT = "cannot-assess";

// texts: what is said; diagnoses(question): promise of those that a ranking chooses from.
export function createForm(form, { templates, texts, diagnoses }) {
  const slot = form.querySelector("[data-questions]");
  let stage = null;
  let isFilled = false; // it holds an earlier answer
  let rankings = new Map(); // question id -> widget
  form.noValidate = true; // said by the page, in the reader's language, without a bubble over the picture

  const boxOf = (question) => slot.querySelector(`[data-question="${question.id}"]`);
  const cannotOf = (question) => form.elements[`question-${question.id}-${CANNOT}`];

  function put(next) {
    const focused = slot.contains(document.activeElement);
    slot.replaceChildren(templates(next.stage).content.cloneNode(true));
    enhance(next);
    if (focused) focusFirst();
  }

  function enhance(next) {
    stage = next;
    rankings = new Map();
    for (const question of next.questions) {
      const box = boxOf(question);
      const list = box.querySelector("[data-ranking]");
      if (list) rankings.set(question.id, ranking(list, question));
      const number = box.querySelector("input[type=number]");
      if (number) slide(number, question.text);
      const cannot = cannotOf(question);
      if (cannot?.type === "checkbox") box.addEventListener("input", (event) => exclude(question, event.target === cannot));
    }
  }

  function ranking(list, question) {
    const onChange = () => rankings.get(question.id)?.nodes().length > 0 && exclude(question, false);
    return createRanking(list, { label: question.text, texts, diagnoses: () => diagnoses(question), onChange });
  }

  // An answer and “cannot be assessed” exclude each other.
  function exclude(question, byBox) {
    const cannot = cannotOf(question);
    if (!cannot || cannot.type !== "checkbox") return;
    if (!byBox) cannot.checked = false;
    else if (cannot.checked) empty(question);
  }

  function empty(question) {
    rankings.get(question.id)?.set([]);
    const field = form.elements[`question-${question.id}`];
    if (field instanceof HTMLElement) setField(field, "");
  }

  function setField(field, value) {
    field.value = value;
    field.dispatchEvent(new Event("change"));
  }

  function clear() {
    form.reset();
    for (const widget of rankings.values()) widget.set([]);
    for (const number of slot.querySelectorAll("input[type=number]")) setField(number, "");
    point();
  }

  function fill(given) {
    for (const question of stage.questions) {
      const answer = given.answers[question.id];
      if (!answer) continue;
      const name = `question-${question.id}`;
      if (answer.nodes) rankings.get(question.id).set(answer.nodes.map((id) => ({ id, name: given.names[id] ?? id })));
      const value = answer.cannot_assess ? CANNOT : String(answer.choice ?? answer.number ?? answer.text ?? "");
      for (const field of slot.querySelectorAll(`[name="${name}"]`)) {
        if (field.type === "submit") field.setAttribute("aria-current", String(field.value === value));
        else if (field.type === "radio") field.checked = field.value === value;
        else if (!answer.cannot_assess) setField(field, value);
      }
      if (answer.cannot_assess && cannotOf(question)?.type === "checkbox") cannotOf(question).checked = true;
    }
    point();
  }

  // --- what was answered ------------------------------------------------------------------------------------------

  function answerTo(question, data) {
    if (cannotOf(question)?.checked) return { cannot_assess: true };
    if (question.kind === "ranking") {
      const nodes = rankings.get(question.id).nodes();
      return nodes.length > 0 ? { nodes } : null;
    }
    const value = (data.get(`question-${question.id}`) ?? "").trim();
    if (value === "") return null;
    if (value === CANNOT) return { cannot_assess: true };
    if (question.kind === "text") return { text: value };
    return question.kind === "scale" ? { number: Number(value) } : { choice: Number(value) };
  }

  function isValid(question, answer) {
    if (!answer) return !question.required;
    const inRange = (n) => Number.isInteger(n) && n >= question.least && n <= question.most;
    return answer.number === undefined || inRange(answer.number);
  }

  // {question id: answer}; `missing`: the first question without a valid one. By a submitter, its value counts.
  function read(submitter) {
    const data = new FormData(form);
    if (submitter?.name) data.set(submitter.name, submitter.value);
    const answers = {};
    let missing = null;
    for (const question of stage.questions) {
      const answer = answerTo(question, data);
      if (!isValid(question, answer)) missing ??= question;
      else if (answer) answers[question.id] = answer;
    }
    return { answers, missing };
  }

  // --- keys -------------------------------------------------------------------------------------------------------

  const isAnswered = (box) => box.querySelector("input:checked") !== null;

  // The question that a key answers: the first of those with keys that is open, else the one with the focus.
  function target() {
    const keyed = [...slot.querySelectorAll(".question")].filter((box) => box.querySelector("[data-key]"));
    const focused = keyed.find((box) => box.contains(document.activeElement));
    return keyed.find((box) => !isAnswered(box)) ?? focused ?? keyed.at(-1);
  }

  function point() {
    const next = target();
    for (const box of slot.querySelectorAll(".question")) box.toggleAttribute("data-keyed", box === next);
  }
  for (const kind of ["input", "focusin"]) slot.addEventListener(kind, () => queueMicrotask(point));

  function focusFirst() {
    slot.querySelector("button, input:not([type=hidden]), textarea")?.focus({ preventScroll: true });
  }

  return {
    // The questions of this stage, empty, or with what was answered before where that is to be changed.
    bring(next, given) {
      const came = stage === null && Number(form.elements.stage.value) === next.stage && !form.elements.replaces;
      if (came && !given) enhance(next); // those that the page came with
      else if (stage?.stage !== next.stage || given || isFilled) put(next);
      isFilled = Boolean(given);
      clear();
      if (given) fill(given);
    },
    // What the button says that sends several answers.
    name(text) {
      const button = slot.querySelector("[data-send]");
      if (button) button.textContent = text;
    },
    read,
    focusFirst,
    focusOn(question) {
      if (rankings.has(question.id)) rankings.get(question.id).focus();
      else boxOf(question).querySelector("button, input, textarea")?.focus({ preventScroll: true });
      boxOf(question).scrollIntoView({ block: "nearest" }); // within the panel, where the questions are longer than it
    },
    // The choice with this key ("1" ... "9", "0", "cannot"): chosen, or, of a button, sent. False: there is none.
    press(key) {
      const element = target()?.querySelector(`[data-key="${key}"]`);
      if (!element) return false;
      if (element.type === "radio") {
        element.checked = true;
        element.dispatchEvent(new Event("input", { bubbles: true }));
      } else form.requestSubmit(element);
      return true;
    },
    send() {
      const button = slot.querySelector("[data-send]");
      if (button) form.requestSubmit(button);
    },
  };
}

// A slider beside a field for a number. It has no value before it is moved: none is suggested.
function slide(number, label) {
  const range = document.createElement("input");
  Object.assign(range, { type: "range", min: number.min, max: number.max, step: 1, className: "unset" });
  range.setAttribute("aria-label", label);
  const show = () => {
    range.classList.toggle("unset", number.value === "");
    if (number.value === "") range.value = (Number(number.min) + Number(number.max)) / 2;
    else range.value = number.value;
    range.setAttribute("aria-valuetext", number.value === "" ? "–" : number.value);
  };
  const take = () => {
    number.value = range.value;
    show();
  };
  range.addEventListener("input", take);
  range.addEventListener("click", take); // in the middle, nothing moves
  for (const kind of ["input", "change"]) number.addEventListener(kind, show);
  number.closest("p").append(range);
  show();
}
