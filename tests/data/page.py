"""Uses the HTML report in a real browser, by W3C WebDriver and nothing but the standard library.

page.py FILE NAME...: prints as JSON what somebody sees who filters, searches and unfolds; NAME are texts to search for.
"""
import json, re, subprocess, sys, time, urllib.request

FILE, NAMES = sys.argv[1], sys.argv[2:]
driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True)
port = None
for line in driver.stdout:
    found = re.search(r"started successfully on port (\d+)", line)
    if found:
        port = found.group(1)
        break
assert port, "chromedriver did not start"


def ask(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)["value"]


options = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,1000"]}
capabilities = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
session = None
try:
    session = "/session/" + ask("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})["sessionId"]

    def script(text, *args):
        return ask("POST", session + "/execute/sync", {"script": text, "args": list(args)})

    SEARCH = """
        const search = document.getElementById('search');
        search.value = arguments[0];
        search.dispatchEvent(new Event('input'));
        return [document.getElementById('shown').textContent,
                Array.from(document.querySelectorAll('.f:not([hidden]) > summary > code')).slice(0, 5).map(e => e.textContent),
                performance.now()];"""
    out = {"interactive": [], "found": {}}
    for _ in range(3):
        ask("POST", session + "/url", {"url": "file://" + FILE})
        out["interactive"].append(script(SEARCH, "no such thing")[2])
    for name in NAMES:
        out["found"][name] = script(SEARCH, name)[:2]
    script(SEARCH, "")
    # By the keyboard: the slash leads to the search, Escape empties it.
    body = ask("POST", session + "/element", {"using": "css selector", "value": "body"})
    key = next(iter(body.values()))
    ask("POST", f"{session}/element/{key}/value", {"text": "/"})
    out["focused"] = script("return document.activeElement.id")
    out["before"] = script("return document.getElementById('shown').textContent")
    out["without_high"] = script("""
        document.querySelector('#bars .high').click();
        const rows = Array.from(document.querySelectorAll('.f:not([hidden])'));
        const left = rows.filter(row => row.classList.contains('high')).length;
        document.querySelector('#bars .high').click();
        return left;""")
    out["unfolded"] = script("""
        const row = document.querySelector('.f');
        row.querySelector('summary').click();
        return [row.open, row.innerText];""")
    out["wide"] = script("return document.documentElement.scrollWidth <= window.innerWidth")
    ask("POST", session + "/window/rect", {"width": 500, "height": 900})
    out["narrow"] = script("return document.documentElement.scrollWidth <= window.innerWidth")
    out["title"] = ask("GET", session + "/title")
    out["log"] = ask("POST", session + "/se/log", {"type": "browser"})
    print(json.dumps(out))
finally:
    if session:
        ask("DELETE", session)
    driver.terminate()
    driver.wait()
