// Asks the site's search for a word, and returns the titles that it finds.
return new Promise((found) => {
    const results = document.getElementById("mdbook-searchresults");
    new window.MutationObserver(() => {
        const titles = [...results.querySelectorAll("a")].map((link) => link.textContent);
        if (titles.length > 0) found(titles);
    }).observe(results, { childList: true, subtree: true });
    document.getElementById("mdbook-search-toggle").click();
    const bar = document.getElementById("mdbook-searchbar");
    bar.value = "WORD";
    bar.dispatchEvent(new window.KeyboardEvent("keyup"));
});
