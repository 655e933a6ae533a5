// Goes through the pages of `oncegate sandbox` as a person does: portal, eID,
// preview space, operator, try-it page. JavaScript is off; only while axe looks at a page is
// it on. On every page it asks axe (light and dark), looks for sideways scrolling
// on a phone, and tabs through what can be operated. Exit code 1 means something
// is to be mended.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";

const { values: flags } = parseArgs({
  options: { chromium: { type: "string" }, oncegate: { type: "string" }, shots: { type: "string", default: "" } },
});
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const phone = { width: 390, height: 844 };
const desk = { width: 1280, height: 900 };
const problems = [];
const mend = (what) => { problems.push(what); console.error("  " + what); };
const seen = [];
if (flags.shots) mkdirSync(flags.shots, { recursive: true });

// sandbox starts the landscape and returns its addresses by what they are.
async function sandbox() {
  const dir = mkdtempSync(join(tmpdir(), "oncegate-pages-"));
  const child = spawn(flags.oncegate, ["sandbox", "--dir", dir, "--portal", ""], { stdio: ["ignore", "pipe", "inherit"] });
  const stop = () => new Promise((done) => {
    child.once("exit", () => { rmSync(dir, { recursive: true, force: true }); done(); });
    child.kill("SIGTERM");
  });
  let text = "";
  for await (const chunk of child.stdout) {
    text += chunk;
    if (text.includes("Ctrl-C")) break;
  }
  const at = {};
  for (const line of text.split("\n")) {
    const m = /^(.+?)\s{2,}(https:\S+)\s{2,}(.*)$/.exec(line);
    if (m) at[m[1]] = { url: m[2], note: m[3] };
  }
  if (!at.portal) throw new Error("the sandbox did not start:\n" + text);
  return { at, stop };
}

const sessions = new WeakMap();

// scripts switches JavaScript on or off in the page.
async function scripts(page, on) {
  if (!sessions.has(page)) sessions.set(page, await page.context().newCDPSession(page));
  await sessions.get(page).send("Emulation.setScriptExecutionDisabled", { value: !on });
}

// visitor opens a window of a new visitor, without JavaScript.
async function visitor(browser, more = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: desk, locale: "en-GB", ...more });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  await scripts(page, false);
  return page;
}

// judge looks at the page that is open. Pages that look again by themselves are
// judged in between.
async function judge(page, name) {
  const note = (what) => mend(`${name}: ${what}`);
  seen.push(name);
  console.log("pages: " + name);
  if (await page.locator("script").count()) note("has a script");
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    await scripts(page, true);
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }));
    await scripts(page, false);
    for (const v of violations) {
      for (const n of v.nodes) note(`axe ${v.id} (${scheme}): ${n.target.join(" ")}: ${n.failureSummary.replaceAll("\n", " ")}`);
    }
  }
  await page.emulateMedia({ colorScheme: "light" });
  for (const [device, size] of [["phone", phone], ["desk", desk]]) {
    await page.setViewportSize(size);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (over > 0) note(`${over} px wider than a ${device}`);
    if (flags.shots) await page.screenshot({ path: join(flags.shots, `${name}-${device}.png`), fullPage: true });
  }
  await keyboard(page, note);
}

// keyboard tabs through the page: everything that can be operated gets the
// focus once, in the order of the document, and shows that it has it.
async function keyboard(page, note) {
  await page.evaluate(() => { // tabbing starts from the top
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute("tabindex");
  });
  const want = await page.evaluate(() => {
    const groups = new Set();
    return [...document.querySelectorAll("a[href],button,input:not([type=hidden]),select,textarea,summary,[tabindex='0']")].filter((e) => {
      const d = e.closest("details");
      if (e.tagName !== "SUMMARY" && d && !d.open) return false;
      if (e.type !== "radio") return true;
      if (groups.has(e.name)) return false;
      groups.add(e.name); // one stop for the group; arrows choose
      return true;
    }).length;
  });
  let before = -1;
  for (let i = 0; i < want; i++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const e = document.activeElement;
      const s = getComputedStyle(e);
      return {
        index: [...document.querySelectorAll("*")].indexOf(e), what: e.outerHTML.slice(0, 80), body: e === document.body,
        shown: s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2,
      };
    });
    if (at.body || at.index <= before) return note(`the focus goes astray after ${i} of ${want} stops: ${at.what}`);
    if (!at.shown) note(`the focus does not show: ${at.what}`);
    before = at.index;
  }
}

// settle waits, through the page's own reloads, until one of the selectors is there.
async function settle(page, ...selectors) {
  await page.locator(selectors.join(",")).first().waitFor({ timeout: 30_000 });
  await page.waitForLoadState("load");
}

const choose = (page, text) => page.getByRole("button", { name: text }).click();

// ask goes from the portal's first page to the case that waits for its person.
async function ask(page, at, { offer, person, see }) {
  await page.goto(at.portal.url);
  if (see) await judge(page, "portal-home");
  await page.locator(`button[value=${offer}]`).click();
  if (see) await judge(page, "eid");
  await choose(page, person);
  if (see) await judge(page, "portal-request");
  await page.locator("input[name=explicit]").check();
  await page.locator("#ask").click();
  await settle(page, "#preview", "#final");
  if (see) await judge(page, "portal-case");
  await page.locator("#preview").click();
  if (see) await judge(page, "preview-intro");
}

// identify proves at the preview who the visitor is.
async function identify(page, person) {
  await page.locator("main form button").first().click();
  await choose(page, person);
}

const approve = "input[type=radio][value=approve]";

async function delivered(page, at) {
  await ask(page, at, { offer: "births", person: "Lucía Marwick-Testa", see: true });
  await identify(page, "Lucía Marwick-Testa");
  await settle(page, approve);
  await page.locator("summary").first().click();
  await judge(page, "preview-evidence");
  await page.locator("button[value=decide]").click(); // nothing chosen: the browser stops it
  if (!(await page.locator(approve).count())) mend("preview-evidence: a decision was taken without an answer");
  await page.locator(approve).first().check();
  await page.locator("button[value=decide]").click();
  await settle(page, "ul.outcomes");
  await judge(page, "preview-done");
  await page.locator("main a.button").first().click();
  await settle(page, "#evidence");
  await judge(page, "portal-delivered");
  const [file] = await Promise.all([page.waitForEvent("download"), page.locator("#evidence").click()]);
  if (!readFileSync(await file.path(), "utf8").includes("Marwick-Testa")) mend("portal-delivered: the evidence is not of the person");
}

async function declined(page, at) {
  await ask(page, at, { offer: "companies", person: "Velden Optika" });
  await identify(page, "Velden Optika");
  await settle(page, approve);
  await judge(page, "preview-company");
  await page.locator("button[value=refuse-all]").click();
  await settle(page, "ul.outcomes");
  await judge(page, "preview-refused");
  await page.locator("main a.button").first().click();
  await settle(page, "#final");
  await judge(page, "portal-declined");
}

async function somebodyElse(page, at) {
  await ask(page, at, { offer: "residence", person: "Oskar" });
  await identify(page, "Ingrid");
  await settle(page, "main h1");
  await judge(page, "preview-not-you");
}

async function unknown(page, at) {
  await ask(page, at, { offer: "births", person: "Ingrid" });
  await identify(page, "Ingrid");
  await settle(page, "main a.button");
  await judge(page, "preview-none");
}

// tryIt tries a register on its own sample, then with a fault in its rules.
async function tryIt(page, at) {
  await page.goto(at["try-it page"].url);
  await judge(page, "try-it");
  await page.locator("#register").selectOption("births");
  await choose(page, "Fill in its rules and a sample");
  await judge(page, "try-it-filled");
  await choose(page, "Try it");
  await settle(page, "#result");
  await judge(page, "try-it-result");
  if (!(await page.locator("#h-result").innerText()).includes("found")) mend("try-it-result: the sample is not found");
  if (!(await page.locator("table tbody tr").count())) mend("try-it-result: there is no lineage");
  const rules = await page.locator("#rules").inputValue();
  await page.locator("#rules").fill(rules.replace("join(", "jion("));
  await choose(page, "Try it");
  await settle(page, "#result");
  await judge(page, "try-it-faults");
  if (!(await page.locator("#result pre").first().innerText()).includes("^")) mend("try-it-faults: the fault has no caret");
}

async function operator(page, at) {
  const { url } = at["operator of Spain"];
  await page.goto(url);
  await judge(page, "operator-exchanges");
  await page.locator("td a").first().click();
  await judge(page, "operator-exchange");
  await page.goto(new URL("messages", url).href);
  await judge(page, "operator-messages");
  await page.locator("#direction").selectOption("in");
  await page.locator("main form button").click();
  if (!(await page.locator("td a").count())) mend("operator-messages: the filter shows nothing");
  await page.locator("td a").first().click();
  await judge(page, "operator-message");
  await page.goto(new URL("dead-letters", url).href);
  await judge(page, "operator-dead-letters");
}

const { at, stop } = await sandbox();
const browser = await chromium.launch({ executablePath: flags.chromium, args: ["--no-sandbox", "--disable-gpu"] });
try {
  const [username, password] = at["operator of Spain"].note.split(" / ");
  for (const walk of [delivered, declined, somebodyElse, unknown, operator, tryIt]) {
    const page = await visitor(browser, walk === operator ? { httpCredentials: { username, password } } : {});
    try {
      await walk(page, at);
    } catch (e) {
      mend(`${walk.name} at ${page.url()}: ${e.message}`);
    }
    await page.context().close();
  }
} finally {
  await browser.close();
  await stop();
}
console.log(`pages: ${seen.length} pages judged ${problems.length} to mend`);
process.exit(problems.length ? 1 : 0);
