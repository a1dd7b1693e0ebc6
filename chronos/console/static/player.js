// The player and the transcript beside it: a click on a sentence goes there, the sentence that is spoken is marked.
const player = document.querySelector("video.player-media, audio.player-media");
const sentences = [...document.querySelectorAll(".transcript p[data-start]")];

function begin(seconds) {
  player.currentTime = seconds;
}

function mark() {
  const now = player.currentTime + 0.05;
  const spoken = sentences.findLast((one) => Number(one.dataset.start) <= now);
  for (const one of sentences) {
    const is = one === spoken;
    if (one.classList.contains("spoken") !== is) one.classList.toggle("spoken", is);
  }
  return spoken;
}

function scroll(spoken) {
  const box = spoken.parentElement;
  box.scrollTop = spoken.offsetTop - box.offsetTop - box.clientHeight / 3;
}

document.addEventListener(
  "click",
  (event) => {
    const button = event.target.closest("button[data-here]");
    const second = Math.floor(player?.currentTime ?? 0);
    if (button) button.dataset.copy = new URL(`${button.dataset.here}?t=${second}`, location.href).href;
  },
  true, // before copy.js takes it
);

if (player) {
  const wanted = Number(new URLSearchParams(location.search).get("t") || 0);
  if (wanted) {
    if (player.readyState > 0) begin(wanted);
    else player.addEventListener("loadedmetadata", () => begin(wanted), { once: true });
  }
  player.addEventListener("timeupdate", () => {
    const before = document.querySelector(".spoken");
    const spoken = mark();
    if (spoken && spoken !== before) scroll(spoken);
  });
  for (const one of document.querySelectorAll("a[data-at]")) {
    one.addEventListener("click", (event) => {
      event.preventDefault();
      begin(Number(one.dataset.at));
      history.replaceState(null, "", one.href);
      player.play().catch(() => {}); // a browser may want a click on the player first
    });
  }
}
