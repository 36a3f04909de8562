// Walks from the page in the frame over all pages of the site that links lead to, and says of
// each what its links and anchors are, and what does not look right.
const frame = window.frameElement;
const load = (url) => new Promise((loaded) => {
    frame.onload = () => loaded();
    frame.src = url;
});

// The contrast of two colours, as WCAG defines it.
const light = (color) => {
    const parts = color.match(/[\d.]+/g).slice(0, 3).map((part) => {
        const share = part / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
};
const contrast = (one, other) => {
    const [a, b] = [light(one), light(other)];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
};
const clear = /^(transparent|rgba\(.*, 0\))$/;
const paper = (element) => {
    const color = frame.contentWindow.getComputedStyle(element).backgroundColor;
    return clear.test(color) && element.parentElement ? paper(element.parentElement) : color;
};

const look = () => {
    const page = frame.contentDocument;
    const all = (what) => [...page.querySelectorAll(what)];
    const faint = new Set();
    const worded = (element) => [...element.childNodes].some(
        (node) => node.nodeType === 3 && node.textContent.trim() !== "");
    for (const element of all("main *").filter(worded)) {
        const color = frame.contentWindow.getComputedStyle(element).color;
        const found = contrast(color, paper(element));
        // In code the colours say nothing that the text does not.
        const least = element.closest("pre") ? 3 : 4.5;
        if (found < least) faint.add(`${element.tagName} ${element.className}: ${found.toFixed(1)}`);
    }
    return {
        links: all("a[href]").map((link) => link.href),
        ids: all("[id]").map((element) => element.id),
        broken: all("img").filter((image) => image.naturalWidth === 0).map((image) => image.src),
        wide: page.documentElement.scrollWidth - page.documentElement.clientWidth,
        paper: paper(page.querySelector("main")),
        faint: [...faint],
    };
};

const site = new URL(".", window.location.href).href;
const source = new URL("source/", site).href;
// A page that only leads on to the index has nothing to look at.
const leadsOn = (url) => url === new URL("README.html", site).href;
const isPage = (url) => url.startsWith(site) && url.endsWith(".html") && !url.startsWith(source) && !leadsOn(url);
return (async () => {
    const seen = {};
    const waiting = [window.location.href];
    while (waiting.length > 0) {
        const url = waiting.pop();
        if (url in seen) continue;
        await load(url);
        seen[url] = look();
        const linked = seen[url].links.map((link) => link.split("#")[0]);
        waiting.push(...linked.filter(isPage));
    }
    return seen;
})();
