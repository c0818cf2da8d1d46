// Looks at the page again from time to time, and changes what is different in its live
// part. Forms are outside of that: what somebody types, has chosen or looks at stays.
"use strict";
(() => {
  const live = document.getElementById("live");
  if (!live || !live.dataset.refresh) return;
  const button = document.getElementById("pause");
  const looked = document.getElementById("looked");
  const trouble = document.getElementById("trouble");
  const every = Number(live.dataset.refresh) * 1000;
  const TYPING = 3000; // milliseconds of rest after a letter
  const LIMIT = 60000; // milliseconds for an answer
  const KEPT = new Set(["checked", "open", "value"]); // what a person changes
  let paused = false;
  let typed = 0;
  let asks = false;

  try {
    paused = sessionStorage.getItem("unique_task_paused") === "yes";
  } catch { /* a browser may keep nothing */ }

  const say = (element, text) => {
    if (element.textContent !== text) element.textContent = text;
  };

  const alike = (one, other) =>
    one.nodeType === other.nodeType && one.nodeName === other.nodeName && one.id === other.id;

  const copyAttributes = (from, to) => {
    for (const { name } of [...to.attributes])
      if (!from.hasAttribute(name) && !KEPT.has(name)) to.removeAttribute(name);
    for (const { name, value } of from.attributes)
      if (to.getAttribute(name) !== value) to.setAttribute(name, value);
  };

  const copyChildren = (from, to) => {
    const known = new Map();
    for (const child of to.children) if (child.id) known.set(child.id, child);
    let place = to.firstChild;
    for (const next of [...from.childNodes]) {
      const same = next.id ? known.get(next.id) : place && alike(next, place) ? place : null;
      if (!same) {
        to.insertBefore(document.importNode(next, true), place);
        continue;
      }
      if (same === place) place = place.nextSibling;
      else to.insertBefore(same, place);
      copy(next, same);
    }
    while (place) {
      const gone = place;
      place = place.nextSibling;
      gone.remove();
    }
  };

  const copy = (from, to) => {
    if (from.nodeType !== Node.ELEMENT_NODE) {
      if (to.nodeValue !== from.nodeValue) to.nodeValue = from.nodeValue;
      return;
    }
    if (from.isEqualNode(to)) return;
    copyAttributes(from, to);
    copyChildren(from, to);
  };

  const show = (next) => {
    const focused = document.activeElement;
    const within = live.contains(focused);
    copyChildren(next, live);
    if (within && document.activeElement !== focused)
      (focused.isConnected ? focused : live).focus({ preventScroll: true });
  };

  const selects = () => {
    const selection = getSelection();
    return selection && !selection.isCollapsed && live.contains(selection.anchorNode);
  };

  const look = async () => {
    if (paused || asks || document.hidden || Date.now() - typed < TYPING || selects()) return;
    asks = true;
    try {
      const options = { credentials: "same-origin", signal: AbortSignal.timeout(LIMIT) };
      const answer = await fetch(location.href, options);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.getElementById("live");
      if (!next) throw new Error(`status ${answer.status}`);
      if (paused) return;
      show(next);
      say(trouble, "");
      say(looked, `Looked at ${new Date().toLocaleTimeString()}.`);
    } catch (error) {
      say(trouble, `This page is old: its server did not answer (${error.message}). Trying again.`);
    } finally {
      asks = false;
    }
  };

  const showPaused = () => say(button, paused ? "Refresh again" : "Pause refreshing");

  button.addEventListener("click", () => {
    paused = !paused;
    try {
      sessionStorage.setItem("unique_task_paused", paused ? "yes" : "no");
    } catch { /* as above */ }
    showPaused();
    look();
  });
  document.addEventListener("input", () => { typed = Date.now(); });
  document.addEventListener("visibilitychange", look);
  showPaused();
  button.hidden = false;
  setInterval(look, every);
})();
