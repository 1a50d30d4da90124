// The server's side of a reading, over fetch.

const PATIENCE = 20_000; // milliseconds

// No usable reply: no network, a time-out, a server or a proxy in trouble. The same request may be sent again.
export class Unreachable extends Error {}

// The server does not know who asks (or its token against forged requests is stale).
export class SignedOut extends Error {}

// The server's own refusal, with its reason; sending the same again would be refused again.
export class Refused extends Error {
  constructor(code, detail) {
    super(detail);
    this.code = code;
  }
}

// Read at each request: signing in again, in another tab, changes it.
function token() {
  const cookie = document.cookie.split("; ").find((pair) => pair.startsWith("csrftoken="));
  return cookie ? cookie.slice("csrftoken=".length) : (document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "");
}

async function call(address, options) {
  let response;
  let content;
  try {
    response = await fetch(address, {
      cache: "no-store",
      credentials: "same-origin",
      redirect: "error",
      signal: AbortSignal.timeout(PATIENCE),
      ...options,
    });
    content = await response.json();
  } catch (error) {
    throw new Unreachable(String(error));
  }
  if (response.ok) return content;
  if (response.status === 401 || response.status === 403) throw new SignedOut(content.detail);
  if (response.status >= 500 || response.status === 429) throw new Unreachable(content.detail);
  throw new Refused(content.code ?? "absent", content.detail);
}

export function ask(address) {
  return call(address, { headers: { Accept: "application/json" } });
}

// `keepalive`: what is on its way arrives although the page is left.
export function send(address, content) {
  return call(address, {
    method: "POST",
    keepalive: true,
    headers: { Accept: "application/json", "Content-Type": "application/json", "X-CSRFToken": token() },
    body: JSON.stringify(content),
  });
}

// A piece of a page, made by the server.
export async function fetchPiece(address) {
  let response;
  try {
    response = await fetch(address, { cache: "no-store", credentials: "same-origin", signal: AbortSignal.timeout(PATIENCE) });
  } catch (error) {
    throw new Unreachable(String(error));
  }
  if (!response.ok) throw new Unreachable(String(response.status));
  return response.text();
}

// crypto.randomUUID exists on secure origins only; a clinic's own network may have none.
export function newSubmission() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
