// The six hours of an opened row as a chart to point at, in place of the drawing that stands there without a script.
"use strict";
(() => {
  const place = document.getElementById("chart");
  if (!place || !window.uPlot) return;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const ms = (v) => v == null ? "·" : v < 1 ? (v * 1000).toFixed(0) + " ms" : v.toFixed(2) + " s";
  const share = (v) => v == null ? "·" : (v * 100).toFixed(1) + " %";
  let chart;

  function draw(told) {
    const { history, events } = told, since = Date.parse(history.since) / 1000;
    const target = Number(place.dataset.target);
    // A daemon that is young shows the minutes that it has, not hours of nothing.
    const first = history.rps.findIndex((v, i) => v > 0 || history.ttft_p95_s[i] != null || history.error_ratio[i] != null);
    const last = Math.max(0, history.rps.length - 30);
    const from = first < 0 ? last : Math.max(0, Math.min(first - 1, last));
    const known = (values) => values.slice(from);
    const times = known(history.ttft_p95_s.map((_, i) => since + i * history.step_s));
    const marks = events.filter((e) => e.kind === "state_changed" || e.kind === "breaker_reset").map((e) => e.time);
    const line = (label, name) => ({ label, stroke: colour(name), width: 1.5, scale: "s", value: (_, v) => ms(v), spanGaps: false, points: { size: 3 } });
    const axis = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") }, font: "11px system-ui" };
    const over = (u) => {
      const { ctx, bbox } = u;
      ctx.save();
      ctx.strokeStyle = colour("--dim"); ctx.setLineDash([4, 3]); ctx.beginPath();
      const y = u.valToPos(target, "s", true);
      ctx.moveTo(bbox.left, y); ctx.lineTo(bbox.left + bbox.width, y); ctx.stroke();
      ctx.strokeStyle = colour("--note"); ctx.setLineDash([2, 3]);
      for (const at of marks) {
        const x = u.valToPos(at, "x", true);
        if (x < bbox.left || x > bbox.left + bbox.width) continue;
        ctx.beginPath(); ctx.moveTo(x, bbox.top); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke();
      }
      ctx.restore();
    };
    const options = {
      width: place.clientWidth, height: 260, hooks: { draw: [over] }, cursor: { drag: { x: true, y: false } },
      scales: { s: { range: (_u, _lo, hi) => [0, Math.max(target * 1.3, (hi || 0) * 1.05)] }, e: { range: (_u, _lo, hi) => [0, Math.min(1, Math.max(0.1, (hi || 0) * 1.1))] }, r: { range: (_u, _lo, hi) => [0, Math.max(1, (hi || 0) * 4)] } },
      axes: [{ ...axis, values: (_u, vs) => vs.map((v) => new Date(v * 1000).toISOString().slice(11, 16)) }, { ...axis, scale: "s", values: (_u, vs) => vs.map(ms), size: 62 }, { ...axis, scale: "e", side: 1, values: (_u, vs) => vs.map((v) => Math.round(v * 100) + " %"), grid: { show: false }, size: 50 }],
      series: [
        { label: "UTC", value: (_u, v) => v == null ? "·" : new Date(v * 1000).toISOString().slice(11, 16) },
        line("p50", "--deep"), line("p95", "--most"), line("p99", "--mid"),
        { label: "errors", stroke: colour("--out"), fill: colour("--out") + "55", width: 1, scale: "e", value: (_u, v) => share(v), points: { show: false } },
        { label: "requests/s", stroke: colour("--all"), width: 1, scale: "r", value: (_u, v) => v == null ? "·" : v.toFixed(2), points: { show: false } },
      ],
      tzDate: (ts) => window.uPlot.tzDate(new Date(ts * 1000), "Etc/UTC"),
    };
    const data = [times, known(history.ttft_p50_s), known(history.ttft_p95_s), known(history.ttft_p99_s), known(history.error_ratio), known(history.rps)];
    const box = document.createElement("div");
    box.setAttribute("role", "img");
    box.dataset.minutes = times.length;
    box.setAttribute("aria-label", place.querySelector("svg") ? place.querySelector("svg").getAttribute("aria-label") : "Six hours");
    place.replaceChildren(box);
    chart = new window.uPlot(options, data, box);
  }

  const load = () => fetch(place.dataset.history, { headers: { accept: "application/json" } })
    .then((answer) => { if (!answer.ok) throw new Error(answer.status); return answer.json(); })
    .then((told) => draw(told))
    .catch(() => {}); // the drawing stays
  load();
  setInterval(() => { if (!document.hidden) load(); }, 60000);
  addEventListener("resize", () => { if (chart) chart.setSize({ width: place.clientWidth, height: 260 }); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", load);
})();
