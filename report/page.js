for (const box of document.querySelectorAll("input.search")) {
  const rows = [...document.getElementById(box.dataset.of).tBodies[0].rows];
  const count = document.getElementById(box.dataset.of + "-count");
  const text = rows.map((r) => r.textContent.toLowerCase());
  box.hidden = false;
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/);
    let n = 0;
    rows.forEach((r, i) => { r.hidden = !words.every((w) => text[i].includes(w)); n += r.hidden ? 0 : 1; });
    count.textContent = n;
  });
}
