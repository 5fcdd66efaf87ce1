"""A table, as text for a terminal and as markdown."""


class Table:
    def __init__(self, title, header, rows):
        """Of strings; the first column is of names."""
        self.title, self.header, self.rows = title, header, [[str(c) for c in r] for r in rows]

    def text(self):
        lines = [self.header, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.header))]
        return "\n".join([self.title, *(
            "  ".join(c.ljust(w) if i == 0 else c.rjust(w)
                      for i, (c, w) in enumerate(zip(line, widths))).rstrip() for line in lines)])

    def markdown(self):
        lines = [self.header, ["---"] + ["---:"] * (len(self.header) - 1), *self.rows]
        return "\n".join([self.title, "", *("| " + " | ".join(line) + " |" for line in lines)])


def show(tables, markdown=False):
    print("\n\n".join(t.markdown() if markdown else t.text() for t in tables) + "\n", flush=True)
