// The line to the service: read at once, then listen; when it breaks, say so and try again.

import { read, Refusal, Stranger } from "./read.js";

const SILENCE = 20000; // the service sends every 2 s
const SOONEST = 1000;
const LATEST = 15000;
const HIDDEN = 60000; // browsers allow a site six connections: a page nobody looks at holds none

/**
 * Listen for ever. `heard` gets each overview; `examined` gets health alone, where the service cannot tell more;
 * `connected` hears that there is a line, and `lost` that there is none, and whether the service answers all the same;
 * `stranger` is called when a token is wanted, and ends it.
 * Returns a function that ends it, too.
 */
export function listen({ heard, examined, connected, lost, stranger }) {
  let source = null;
  let timer = 0;
  let pause = SOONEST;
  let attempt = 0;

  const again = (milliseconds, next = connect) => {
    clearTimeout(timer);
    timer = setTimeout(next, milliseconds);
  };

  const hangUp = () => {
    source?.close();
    source = null;
    clearTimeout(timer);
    attempt += 1;
  };

  const later = () => {
    hangUp();
    again(pause);
    pause = Math.min(pause * 2, LATEST);
  };

  const broken = () => {
    lost(false);
    later();
  };

  const wake = () => {
    if (document.hidden && source) connect();
    else if (!document.hidden && !source) connect();
  };

  async function connect() {
    hangUp();
    const mine = attempt;
    try {
      const overview = await read("v1/overview");
      if (mine !== attempt) return;
      heard(overview);
      if (document.hidden) again(HIDDEN);
      else open();
    } catch (error) {
      if (mine === attempt) await failed(error, mine);
    }
  }

  async function failed(error, mine) {
    if (error instanceof Stranger) {
      end();
      stranger();
      return;
    }
    lost(error instanceof Refusal);
    const health = await read("health", { evenIf: 503 }).catch(() => null);
    if (mine !== attempt) return;
    if (health?.reasons) examined(health);
    later();
  }

  function open() {
    source = new EventSource("v1/events");
    again(SILENCE, broken);
    source.addEventListener("error", broken);
    source.addEventListener("overview", (event) => {
      pause = SOONEST;
      again(SILENCE, broken);
      connected();
      heard(JSON.parse(event.data));
    });
  }

  function end() {
    hangUp();
    document.removeEventListener("visibilitychange", wake);
    removeEventListener("online", wake);
  }

  document.addEventListener("visibilitychange", wake);
  addEventListener("online", wake);
  connect();
  return end;
}
