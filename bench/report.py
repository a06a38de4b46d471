"""Figures as Markdown tables, as bars, and as a chart."""

import pathlib
import statistics

from racing import BASE

PEER = "Boost.Asio"

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def ratios(cpu):
    """By name, the median over the rounds of what it used against the yardstick in the same round."""
    found = {}
    for name, mine in cpu.items():
        each = [one / base for one, base in zip(mine, cpu[BASE]) if one and base]
        if each:
            found[name] = statistics.median(each)
    return found


def markdown(titles, rows):
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def race_table(results):
    """One row a scenario, one column a server: the ratios, and what the yardstick took."""
    names = [BASE]
    for _, cpu, _ in results:
        names += [name for name in cpu if name not in names]
    rows = []
    for scenario, cpu, _ in results:
        found = ratios(cpu)
        base = statistics.median(filter(None, cpu[BASE])) * 1e6
        row = [scenario.name, f"{base:.2f} µs a {scenario.unit}"]
        rows.append(row + [f"{found[name]:.2f}" if name in found else "" for name in names[1:]])
    return markdown(["CPU of the server", BASE, *names[1:]], rows)


def memory_table(results):
    rows = []
    for scenario, _, peaks in results:
        if not scenario.shows_memory:
            continue
        told = [f"{name} {statistics.median(mine) / 2**20:.0f}" for name, mine in peaks.items() if mine]
        rows.append((scenario.name, ", ".join(told)))
    return markdown(["Peak memory of the server", "MiB, the program itself included"], rows)


def rate_table(results, rates):
    """What came of TLS in a second, against the peer in the same round."""
    rows = []
    for scenario, _, _ in results:
        found = rates[scenario.name]
        if not scenario.needs_certificate or PEER not in found:
            continue
        for name, mine in found.items():
            against = [one / peer for one, peer in zip(mine, found[PEER]) if one and peer]
            if against:
                rate = statistics.median(filter(None, mine))
                many = scenario.unit if scenario.unit == "MB" else scenario.unit + "s"
                rows.append((scenario.name, name, f"{rate:,.0f} {many}",
                             f"{statistics.median(against):.2f}"))
    return markdown(["TLS", "", "a second", f"of {PEER}'s"], rows) if rows else ""


def bars(found):
    most = max(found.values())
    return "\n".join(f"  {name:<14} {'█' * max(1, round(40 * ratio / most))} {ratio:.2f}"
                     for name, ratio in found.items())


def chart(results):
    """Bars for each scenario and server, cut off at three times the yardstick."""
    height, left, scale, limit, y = 18, 300, 130, 3.0, 44
    parts = ['<text x="12" y="24" font-size="15">CPU of the server against a hand-written epoll loop '
             '(1.0, less is better)</text>']
    for scenario, cpu, _ in results:
        for number, (name, ratio) in enumerate(ratios(cpu).items()):
            if name == BASE:
                continue
            if number == 1:
                parts.append(f'<text x="12" y="{y + 13}" font-weight="bold">{scenario.name}</text>')
            colour = "#2b6cb0" if name.startswith("weft") else "#a0aec0"
            width = min(ratio, limit) * scale
            parts.append(f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{name}</text>')
            parts.append(f'<rect x="{left}" y="{y + 2}" width="{width:.0f}" height="{height - 4}" '
                         f'fill="{colour}"/>')
            parts.append(f'<text x="{left + width + 6:.0f}" y="{y + 13}">{ratio:.2f}</text>')
            y += height
        y += 10
    parts.append(f'<line x1="{left + scale}" y1="36" x2="{left + scale}" y2="{y}" stroke="#c53030" '
                 f'stroke-dasharray="4 3"/>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{y + 12}" '
            'font-family="sans-serif" font-size="12">\n'
            '<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n")


def write(page, image, text, results):
    """Puts `text` between the page's marks, and the chart beside it."""
    whole = page.read_text()
    before, rest = whole.split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")
    pathlib.Path(image).write_text(chart(results))
