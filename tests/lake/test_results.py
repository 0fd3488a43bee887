"""Results are a dataset that is named after the input, however long its name is."""

from lofarlake_nb.lake import metadata, results
from lofarlake_nb.lake.did import DID


def test_results_of_a_dataset_with_a_long_name_are_kept(lake, tmp_path, unique):
    image, notebook = tmp_path / "image.fits", tmp_path / "executed.ipynb"
    image.write_bytes(unique.encode())
    notebook.write_text("{}")
    given = {"parameters": {}, "notebook": "2_process.ipynb", "replicate_to": ""}
    long = [f"{unique}{'a' * (249 - len(unique))}{last}" for last in "xy"]
    kept = [results.keep(lake.home, [image], dataset=f"lofar:{name}", **given).dataset for name in long]
    assert kept[0] != kept[1]
    assert kept[0].startswith(f"lofar:{unique}")
    assert metadata.read(lake, kept[0])["lofarlake"]["inputs"] == [f"lofar:{long[0]}"]
    assert results.add_notebook(lake, notebook, kept[0], rse="SARA", notebook="2_process.ipynb")
    did = DID.parse(kept[0])
    files = {row["name"] for row in lake.stream("list_files", did.scope, did.name)}
    assert files == {f"{did.name}.image.fits", f"{did.name}.2_process.ipynb"}
