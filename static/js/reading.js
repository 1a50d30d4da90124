// The reading page, with script: the next case is loaded ahead, an answer is stored in this browser and sent while the
// reader goes on, and sent again under the same id until the server has it. Without this file the page is a plain form.
//
// Here its parts are put together. What is shared is the session (reading-session); acts change it (reading-acts), the
// server's word changes it (reading-server), and what it comes to is brought onto the page (reading-render).

import { createActs } from "./reading-acts.js";
import { createAdvice } from "./reading-advice.js";
import { createLimit, createWatch } from "./reading-clock.js";
import { createLists } from "./reading-diagnoses.js";
import { createEnlarge } from "./reading-enlarge.js";
import { listen } from "./reading-events.js";
import { createForm } from "./reading-form.js";
import { createFrames } from "./reading-frames.js";
import { createHelp } from "./reading-help.js";
import { bindPage } from "./reading-page.js";
import { createPictures } from "./reading-pictures.js";
import { createRender } from "./reading-render.js";
import { createServer } from "./reading-server.js";
import { openSession } from "./reading-session.js";
import { openOutbox } from "./reading-store.js";

const root = document.querySelector("[data-reading]");
if (root) void start(root);

async function start(root) {
  const addresses = root.dataset; // {api, events, diagnoses, page, done, signIn}
  const page = bindPage(root);
  const outbox = await openOutbox();
  const session = await openSession(root.dataset, outbox);
  const { conduct } = session.state;

  const watch = createWatch();
  const listOf = createLists(addresses.diagnoses);
  const parts = {
    watch,
    listOf,
    pictures: createPictures(),
    advice: createAdvice(page.find("advice"), page.texts, {
      onTrouble: () => server.refresh(),
      enlarge: createEnlarge(page.find("enlarged")),
    }),
    form: createForm(page.form, { templates: page.template, texts: page.texts, diagnoses: listOf }),
    frames: createFrames({
      light: page.find("light"),
      tools: page.find("tools"),
      picker: page.find("picker"),
      mayZoom: conduct.zoom,
      name: page.name,
      onScale: page.scale,
      onZoom: watch.zoomed,
    }),
    help: createHelp(page.find("help"), {
      onChange(keys) {
        page.keys(keys);
        server.report("keys-changed", keys);
      },
    }),
    limit: createLimit(`${addresses.api}limit`, {
      onTick: ({ left, warns }) => page.clock(left, { warns, mayAsk: warns && conduct.time_limit === "hard" }),
      onUp: () => conduct.time_limit === "hard" && acts.give(null, { late: true }),
    }),
  };
  const view = createRender({ page, session, addresses, parts, durable: () => outbox.durable, server: () => server });
  const { render, tell } = view;
  const server = createServer({ session, outbox, addresses, texts: page.texts, render, tell });
  const acts = createActs({ page, session, parts, view, server });
  listen({ page, session, outbox, acts, parts, server });

  history.replaceState(null, "", addresses.page);
  view.take(session.state.again ?? JSON.parse(root.dataset.state).current, [...root.querySelectorAll("[data-frame] img")]);
  render();
  void server.sendNow();
}
