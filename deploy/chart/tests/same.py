"""Whether the chart renders what a kustomization has, in substance."""

import yaml

# What Helm adds to tell its releases apart.
OWN_LABELS = {"helm.sh/chart", "app.kubernetes.io/instance", "app.kubernetes.io/managed-by",
              "app.kubernetes.io/version", "app.kubernetes.io/component"}
# Helm makes no namespaces: `--create-namespace` does, without labels.
NOT_HELMS = {"Namespace"}


def kustomized(directory):
    resources = yaml.safe_load((directory / "kustomization.yaml").read_text())["resources"]
    for resource in resources:
        path = directory / resource
        if path.is_dir():
            yield from kustomized(path)
        else:
            yield from yaml.safe_load_all(path.read_text())


def plain(data):
    """Without what Helm adds, in an order that means nothing."""
    if isinstance(data, dict):
        return {key: plain(value) for key, value in data.items() if key not in OWN_LABELS}
    if isinstance(data, list):
        items = [plain(item) for item in data]
        return sorted(items, key=lambda item: item["name"]) if all(isinstance(i, dict) and "name" in i for i in items) else items
    return data


def normal(data):
    data = plain(data)
    # Of the cluster's own objects there may be one for each release: the namespace is in their names.
    if data["kind"] in ("ClusterRole", "ClusterRoleBinding"):
        data["metadata"]["name"] = data["metadata"]["name"].removesuffix("-adit")
        if "roleRef" in data:
            data["roleRef"]["name"] = data["roleRef"]["name"].removesuffix("-adit")
    if data["kind"] == "Deployment" and data["spec"].get("revisionHistoryLimit") == 10:
        del data["spec"]["revisionHistoryLimit"]  # the API's default
    return data


def by_name(documents):
    return {(data["kind"], data["metadata"]["name"]): data for data in map(normal, filter(None, documents))}


def differences(one, other, path=""):
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from differences(one.get(key), other.get(key), f"{path}.{key}")
    elif one != other:
        yield f"{path}: {one} there, {other} here"


def findings(directory, rendered):
    """Where the two differ, among the kinds that the kustomization has."""
    there = {key: data for key, data in by_name(kustomized(directory)).items() if key[0] not in NOT_HELMS}
    kinds = {kind for kind, _ in there}
    here = {key: data for key, data in by_name(yaml.safe_load_all(rendered)).items() if key[0] in kinds}
    for key in sorted(there.keys() | here.keys()):
        for difference in differences(there.get(key), here.get(key)):
            yield f"{directory} and the chart differ in {' '.join(key)} {difference}"
