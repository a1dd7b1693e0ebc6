// A page that names a stream of changes is kept as the log is: at each change it is asked for again, and its live parts
// are exchanged. The request names the place of the change, so that the answer is not older than it.
const PAUSE = 120; // ms that changes are gathered for: a hundred at once are one request
const { changes: source, whole } = document.body.dataset; // whole: the page with what takes longer to find

let waiting = null;
let after = null;
let asking = false;

function exchange(fresh) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (!other || other.isEqualNode(part)) continue;
    const ids = (some) => [...part.querySelectorAll(some)].map((one) => one.id);
    const [opened, marked, [focused]] = [ids("details[open][id]"), ids("input:checked[id]"), ids(":focus[id]")];
    part.replaceWith(other);
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
    for (const id of marked) document.getElementById(id)?.toggleAttribute("checked", true);
    if (focused) document.getElementById(focused)?.focus();
    other.classList.add("changed");
  }
}

async function refresh() {
  waiting = null;
  if (asking) return later();
  asking = true;
  const headers = after ? { "Chronos-After": after } : {};
  try {
    const answer = await fetch(whole ?? location.href, { headers });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    exchange(fresh);
    if (!fresh.body.dataset.every) clearInterval(clock); // it is over: what is being typed there stays
  } finally {
    asking = false;
  }
}

function later() {
  waiting ??= setTimeout(refresh, PAUSE);
}

function changed(event) {
  const { topic, partition, offset } = JSON.parse(event.data).place;
  after = `${topic}/${partition}/${offset}`;
  later();
}

if (source) {
  const stream = new EventSource(source);
  stream.addEventListener("status", changed);
  stream.addEventListener("fact", changed);
  stream.addEventListener("reset", later);
  addEventListener("pagehide", () => stream.close());
}

if (whole) later();

const every = Number(document.body.dataset.every || 0); // seconds: for figures that no event announces
const clock = every && setInterval(() => document.hidden || later(), every * 1000);
