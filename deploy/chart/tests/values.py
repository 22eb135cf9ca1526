"""The chart's values: which there are, by its schema; what they are for, by the comments in values.yaml."""

import json
import re

import yaml


def has(data, path):
    for key in path:
        if not isinstance(data, dict) or key not in data:
            return False
        data = data[key]
    return True


def get(data, path):
    for key in path:
        data = data[key]
    return data


def remove(data, path):
    """Removes a value, and what is empty without it."""
    *rest, last = path
    del get(data, rest)[last]
    while rest and get(data, rest) == {}:
        *rest, last = rest
        del get(data, rest)[last]


def resolved(schema, node):
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return node


def leaves(schema, node, path=()):
    """The paths of all values that the schema names."""
    node = resolved(schema, node)
    if "properties" not in node:
        yield path
        return
    for key, child in node["properties"].items():
        yield from leaves(schema, child, (*path, key))


def open_objects(schema, node, path=()):
    """Objects with names of their own that take others as well."""
    node = resolved(schema, node)
    if "properties" in node and node.get("additionalProperties") is not False:
        yield path
    for key, child in node.get("properties", {}).items():
        yield from open_objects(schema, child, (*path, key))


def comments(text):
    """The comment of each key, and its path, in their order."""
    above, path = None, []
    for line in text.splitlines():
        if comment := re.fullmatch(r" *# -- (.*)", line):
            above = comment[1]
        elif key := re.fullmatch(r"( *)(\w+):.*", line):
            depth = len(key[1]) // 2
            path = [*path[:depth], key[2]]
            if above:
                yield tuple(path), above
            above = None
        else:
            above = None


def load(chart):
    schema = json.loads((chart / "values.schema.json").read_text())
    # Helm's own, which it hands to every chart.
    del schema["properties"]["global"]
    text = (chart / "values.yaml").read_text()
    return schema, text, yaml.safe_load(text)


def check(chart):
    """The paths of all values, and what is wrong with how they are described."""
    schema, text, data = load(chart)
    paths = list(leaves(schema, schema))
    described = dict(comments(text))
    findings = [f"values.schema.json: {'.'.join(path) or 'the root'} takes unknown values" for path in open_objects(schema, schema)]
    for path in paths:
        name = ".".join(path)
        if not has(data, path):
            findings.append(f"values.yaml: {name} is missing, which the schema names")
        elif path not in described:
            findings.append(f"values.yaml: {name} has no comment")
    return paths, findings


def table(chart):
    """README.md's table."""
    schema, text, data = load(chart)
    paths = set(leaves(schema, schema))
    rows = ["| value | default | |", "|---|---|---|"]
    for path, comment in comments(text):
        default = f"`{json.dumps(get(data, path))}`" if path in paths else ""
        rows.append(f"| `{'.'.join(path)}` | {default} | {comment.replace('|', chr(92) + '|')} |")
    return "\n".join(rows) + "\n"
