// Keeps the page as it is now. Without this script the page is whole, and stands still.
"use strict";
(() => {
  const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const live = document.body.dataset.live;
  const said = document.getElementById("live");
  const home = location.pathname === "/";
  let title = document.title;
  let ahead = 0; // seconds by which the server's clock is ahead of this one

  function span(seconds) {
    for (const [size, unit] of UNITS) if (seconds >= size) return Math.round(seconds / size) + "\u202f" + unit;
    return "0\u202fs";
  }

  function age(node, now) {
    const gone = now - Date.parse(node.dateTime) / 1000;
    const due = node.dataset.due !== undefined;
    const words = !due ? span(Math.max(0, gone)) : gone > -0.5 ? "now" : "in " + span(-gone);
    if (node.textContent !== words) node.textContent = words;
  }

  function ages() {
    const now = Date.now() / 1000 + ahead;
    for (const node of document.querySelectorAll("time[data-t]")) age(node, now);
  }

  // Makes one tree like another, node by node: what somebody has opened, chosen or focused stays so.
  function morph(now, then) {
    if (now.nodeType !== then.nodeType || now.nodeName !== then.nodeName) return now.replaceWith(then);
    if (now.nodeType !== Node.ELEMENT_NODE) {
      if (now.nodeValue !== then.nodeValue) now.nodeValue = then.nodeValue;
      return;
    }
    if (now.isEqualNode(then)) return;
    for (const { name } of [...now.attributes])
      if (!then.hasAttribute(name) && name !== "open") now.removeAttribute(name);
    for (const { name, value } of then.attributes)
      if (now.getAttribute(name) !== value && name !== "open") now.setAttribute(name, value);
    const here = [...now.childNodes], there = [...then.childNodes];
    const known = new Map(here.filter((n) => n.id).map((n) => [n.id, n]));
    let at = now.firstChild;
    for (const next of there) {
      const same = next.id ? known.get(next.id) : at;
      if (same && same.nodeName === next.nodeName && (next.id || !same.id)) {
        if (same !== at) now.insertBefore(same, at); else at = at.nextSibling;
        morph(same, next);
      } else {
        now.insertBefore(next, at);
      }
    }
    while (at) { const after = at.nextSibling; at.remove(); at = after; }
  }

  function take(parts) {
    for (const [id, markup] of Object.entries(parts)) {
      const node = document.getElementById(id);
      if (!node) continue;
      const box = document.createElement("template");
      box.innerHTML = markup;
      const next = box.content.firstElementChild;
      const turned = node.querySelector("tr") && node.querySelector("tr").className !== next.querySelector("tr").className;
      morph(node, next);
      if (turned) { node.classList.remove("changed"); void node.offsetWidth; node.classList.add("changed"); }
    }
  }

  let source, last = Date.now(), heard = last; // the last picture, the last sign of the connection

  function open() {
    const tick = document.body.dataset.tick;
    source = new EventSource(tick ? live.replace(/since=\d+/, "since=" + tick) : live);
    source.onmessage = (message) => {
      last = heard = Date.now();
      const told = JSON.parse(message.data);
      ahead = told.time - last / 1000;
      take(told.parts);
      title = told.title;
      found();
      document.body.dataset.tick = told.tick;
    };
    source.onopen = () => { heard = Date.now(); found(); };
    source.onerror = lost;
  }

  function found() {
    said.textContent = "live";
    said.className = "live";
    document.body.classList.remove("lost");
    if (home) document.title = title;
  }

  function lost() {
    const refused = source.readyState === EventSource.CLOSED;
    const why = refused ? "✕ refused, load the page again" : "✕ no connection, trying";
    said.textContent = why + "; seen " + span((Date.now() - last) / 1000) + " ago";
    said.className = "live bad";
    // nobody may take the verdict of then for that of now
    document.body.classList.add("lost");
    if (home) document.title = "✕ lost · lbd";
  }

  function follow() {
    open();
    let waited = 0, resting = false;
    function look() {
      // a browser has six connections to a host: tabs that nobody sees must not take them all. The table's tells by
      // its title how it stands, and goes on
      if (document.hidden && !home) { resting = true; return source.close(); }
      if (resting) { resting = false; heard = Date.now(); return open(); }
      if (source.readyState === EventSource.OPEN && Date.now() - heard <= 15000) { waited = 0; return ages(); }
      lost();
      // the browser tries again by itself only after a failure: not where it was refused, nor where nothing comes
      if (source.readyState !== EventSource.CONNECTING && waited++ % 5 === 4) { source.close(); open(); }
    }
    setInterval(look, 1000);
    document.addEventListener("visibilitychange", look);
  }

  if (live) follow(); else setInterval(ages, 1000);

  // j and k go through the rows, Enter opens one, ? is the browser's own help
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const links = [...document.querySelectorAll(".providers .c-name a")].filter((a) => a.offsetParent);
    const at = links.indexOf(document.activeElement);
    const to = event.key === "j" ? at + 1 : event.key === "k" ? Math.max(0, at - 1) : -1;
    if (to >= 0 && links[to]) { event.preventDefault(); links[to].focus(); }
  });
})();
