for (const input of document.querySelectorAll(".slider input")) {
  const show = () => input.parentElement.style.setProperty("--at", input.value + "%");
  input.addEventListener("input", show);
  show();
}
