// A trader's and a risk manager's way through decision plans: the form, the approval, the plan page, the desk page, the kill switch.
// node plan_tour.cjs BASE_URL ACCOUNTS_FILE MARKET SCREENSHOT_FOLDER   (playwright-core through NODE_PATH; Debian's chromium)
const { chromium } = require("playwright-core");
const fs = require("fs");
const path = require("path");
const [base, accountsFile, market, shots] = process.argv.slice(2);
const accounts = JSON.parse(fs.readFileSync(accountsFile, "utf8"));
const found = {};

async function login(browser, user) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 1000 } });
  const page = await context.newPage();
  await page.goto(base + "/auth/login");
  await page.fill("input[name=username]", user);
  await page.fill("input[name=password]", accounts[user]);
  await page.click("button[type=submit]");
  await page.waitForURL((url) => !url.pathname.startsWith("/auth/login"), { timeout: 60000 });
  return page;
}

async function openForm(page, dag) {
  await page.goto(`${base}/dags/${dag}`);
  await page.getByTestId("trigger-dag-button").first().click().catch(async () => {
    await page.getByRole("button", { name: /trigger/i }).first().click();
  });
  const dialog = page.getByRole("dialog");
  await dialog.waitFor({ timeout: 60000 });
  await page.waitForTimeout(2000);
  return dialog;
}

// Airflow names the inputs of a form element_<field>
async function fill(dialog, name, value) {
  await dialog.locator(`[name=element_${name}]`).first().fill(value);
}

async function send(page, dialog) {
  await dialog.getByRole("button", { name: /trigger/i }).last().click();
  await page.waitForURL(/\/runs\//, { timeout: 60000 });
  return decodeURIComponent(new URL(page.url()).pathname.split("/runs/")[1].split("/")[0]);
}

(async () => {
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
  const trader = await login(browser, "trader");
  const form = await openForm(trader, "scenario");
  found.form_text = await form.innerText();
  await fill(form, "gas_pct", "25");
  await trader.screenshot({ path: path.join(shots, "plan_form.png") });
  const run = await send(trader, form);
  found.run = run;

  const risk = await login(browser, "risk");
  const waiting = `${base}/dags/scenario/runs/${encodeURIComponent(run)}/tasks/approve/required_actions`;
  const approve = risk.getByRole("button", { name: "Approve" }).first();
  for (let tries = 0; tries < 60; tries += 1) {
    await risk.goto(waiting);
    if (await approve.isVisible({ timeout: 5000 }).catch(() => false)) break;
    await risk.waitForTimeout(4000);
  }
  await approve.waitFor({ timeout: 10000 });
  await risk.waitForTimeout(1500);
  await risk.locator("input[name=element_comment], textarea[name=element_comment], main input").last().fill("Within the budget of the day.");
  await risk.screenshot({ path: path.join(shots, "plan_approval.png") });
  await approve.click();
  await risk.waitForTimeout(15000);

  await risk.goto(`${base}/powerdesk-reports/plans/index.html`);
  const link = risk.locator("a[href^=plan_]").first();
  await link.waitFor({ timeout: 60000 });
  const plan = await link.getAttribute("href");
  await risk.goto(`${base}/powerdesk-reports/plans/${plan}`);
  found.plan_text = (await risk.locator("body").innerText()).slice(0, 6000);
  await risk.screenshot({ path: path.join(shots, "plan.png"), fullPage: false });
  await risk.screenshot({ path: path.join(shots, "plan_whole.png"), fullPage: true });

  const stop = await openForm(risk, "kill_switch");
  await fill(stop, "target", "curve_dist");
  await fill(stop, "reason", "drill of the desk");
  await risk.screenshot({ path: path.join(shots, "kill_switch_form.png") });
  await send(risk, stop);
  await risk.waitForTimeout(4000);
  for (let tries = 0; tries < 30; tries += 1) {
    await risk.goto(`${base}/powerdesk-reports/plans/index.html`);
    found.desk_text = await risk.locator("body").innerText();
    if (found.desk_text.includes("drill of the desk")) break;
    await risk.waitForTimeout(4000);
  }
  await risk.screenshot({ path: path.join(shots, "desk.png") });
  await browser.close();
  console.log(JSON.stringify(found));
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
