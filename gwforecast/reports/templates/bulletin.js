(function () {
  "use strict";
  var old = document.getElementById("old");
  if (old && Date.now() > Date.parse(old.dataset.until)) { old.hidden = false; }
  var box = document.getElementById("search");
  if (!box) { return; }
  box.parentNode.hidden = false;
  var found = document.getElementById("found");
  var items = Array.prototype.slice.call(document.querySelectorAll("[data-name]"));
  box.addEventListener("input", function () {
    var wanted = box.value.trim().toLowerCase(), count = 0;
    items.forEach(function (item) {
      var hit = item.dataset.name.toLowerCase().indexOf(wanted) >= 0;
      if (item.tagName.toLowerCase() === "tr") { item.hidden = !hit; count += hit ? 1 : 0; }
      else { item.classList.toggle("faint", !hit); }
    });
    found.textContent = wanted ? count + " found" : "";
  });
}());
