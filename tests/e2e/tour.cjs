// A person's way through the UI: log in, start a run from its form, approve a promotion, read the report.
// node tour.cjs BASE_URL ACCOUNTS_FILE MARKET SCREENSHOT_FOLDER   (playwright-core through NODE_PATH; Debian's chromium)
const { chromium } = require("playwright-core");
const fs = require("fs");
const path = require("path");
const [base, accountsFile, market, shots] = process.argv.slice(2);
const accounts = JSON.parse(fs.readFileSync(accountsFile, "utf8"));
const found = {};

async function login(browser, user) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
  const page = await context.newPage();
  await page.goto(base + "/auth/login");
  await page.fill("input[name=username]", user);
  await page.fill("input[name=password]", accounts[user]);
  await page.click("button[type=submit]");
  await page.waitForURL((url) => !url.pathname.startsWith("/auth/login"), { timeout: 60000 });
  return page;
}

async function trigger(page, dag, name) {
  await page.goto(`${base}/dags/${dag}`);
  await page.getByTestId("trigger-dag-button").first().click().catch(async () => {
    await page.getByRole("button", { name: /trigger/i }).first().click();
  });
  const dialog = page.getByRole("dialog");
  await dialog.waitFor({ timeout: 30000 });
  await page.waitForTimeout(1500);
  await page.screenshot({ path: path.join(shots, name) });
  return dialog;
}

(async () => {
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
  const stranger = await (await browser.newContext()).newPage();
  const refused = await stranger.goto(base + "/powerdesk-reports/index.html");
  found.stranger_status = refused.status();

  const trader = await login(browser, "trader");
  await trader.goto(base + "/dags");
  await trader.getByText("nightly").first().waitFor({ timeout: 60000 });
  await trader.waitForTimeout(1500);
  await trader.screenshot({ path: path.join(shots, "airflow-dags.png") });

  const form = await trigger(trader, "nightly", "airflow-nightly-form.png");
  found.form_text = await form.innerText();
  await form.getByRole("button", { name: /trigger/i }).last().click();
  await trader.waitForURL(/\/runs\//, { timeout: 60000 }).catch(() => {});
  await trader.waitForTimeout(4000);
  await trader.screenshot({ path: path.join(shots, "airflow-nightly-run.png") });
  found.after_trigger = trader.url();

  const risk = await login(browser, "risk");
  const request = fs.readFileSync(0, "utf8").trim();
  await risk.goto(`${base}/dags/promote/runs/${encodeURIComponent(request)}/tasks/approve/required_actions`);
  await risk.getByRole("button", { name: "Approve" }).first().waitFor({ timeout: 60000 });
  await risk.locator("input[name=element_comment], textarea[name=element_comment], main input").last().fill("Better on the unseen days.");
  await risk.screenshot({ path: path.join(shots, "airflow-approval.png") });
  await risk.getByRole("button", { name: "Approve" }).first().click();
  await risk.waitForTimeout(3000);

  await risk.goto(base + "/plugin/powerdesk-reports");
  const frame = risk.frameLocator("iframe");
  await frame.locator("body").waitFor({ timeout: 30000 });
  await frame.getByRole("link").filter({ hasText: market }).first().click();
  await risk.waitForTimeout(2500);
  found.report_text = (await frame.locator("body").innerText()).slice(0, 3000);
  await risk.screenshot({ path: path.join(shots, "airflow-report.png") });
  await browser.close();
  console.log(JSON.stringify(found));
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
