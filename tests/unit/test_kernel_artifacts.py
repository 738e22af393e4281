"""Artifacts: same content, same bytes; one flipped bit, one stray file, one pickle: refused."""

from __future__ import annotations

import pickle
import time

import numpy as np
import pytest

from models._kernel import artifacts


def _write(folder, scale: float = 1.0):
    artifacts.save_json(folder, "params", {"b": [1, 2.5, None], "a": "ä"})
    artifacts.save_arrays(folder, "weights", {"w": np.arange(6.0).reshape(2, 3) * scale, "names": np.array(["x", "yy"]), "n": np.int64(3)})
    return artifacts.seal(folder, model="demo")


def test_round_trip(tmp_path):
    _write(tmp_path)
    assert artifacts.load_json(tmp_path, "params") == {"a": "ä", "b": [1, 2.5, None]}
    arrays = artifacts.load_arrays(tmp_path, "weights")
    assert np.array_equal(arrays["w"], np.arange(6.0).reshape(2, 3))
    assert arrays["names"].tolist() == ["x", "yy"]
    assert arrays["n"].shape == ()


def test_same_content_same_bytes_at_another_time(tmp_path, monkeypatch):
    first = _write(tmp_path / "a")
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(2_000_000_000))
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    assert _write(tmp_path / "b") == first
    for name in ("params.json", "weights.npz", "manifest.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert _write(tmp_path / "c", scale=2.0) != first


def test_order_of_arrays_and_keys_does_not_matter(tmp_path):
    artifacts.save_arrays(tmp_path, "one", {"a": [1.0], "b": [2.0]})
    artifacts.save_arrays(tmp_path, "two", {"b": [2.0], "a": [1.0]})
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    column = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    artifacts.save_arrays(tmp_path, "three", {"w": column})
    artifacts.save_arrays(tmp_path, "four", {"w": np.ascontiguousarray(column)})
    assert (tmp_path / "three.npz").read_bytes() == (tmp_path / "four.npz").read_bytes()


@pytest.mark.parametrize("name", ["params.json", "weights.npz", "manifest.json"])
def test_any_flipped_bit_is_refused(tmp_path, name):
    sha = _write(tmp_path)
    whole = (tmp_path / name).read_bytes()
    rng = np.random.default_rng(0)
    for position in [0, len(whole) - 1, *rng.integers(0, len(whole), 30).tolist()]:
        broken = bytearray(whole)
        broken[position] ^= 1 << int(rng.integers(0, 8))
        (tmp_path / name).write_bytes(bytes(broken))
        with pytest.raises(artifacts.ArtifactError):
            artifacts.verify_artifact(tmp_path, model="demo", expected_sha=sha)
    (tmp_path / name).write_bytes(whole)
    assert artifacts.verify_artifact(tmp_path, model="demo", expected_sha=sha) == sha


def test_stray_missing_and_foreign_files_are_refused(tmp_path):
    _write(tmp_path)
    (tmp_path / "extra.json").write_text("{}")
    with pytest.raises(artifacts.ArtifactError, match=r"extra\.json was never sealed"):
        artifacts.verify_artifact(tmp_path)
    (tmp_path / "extra.json").rename(tmp_path / "model.pkl")
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({}))
    with pytest.raises(artifacts.ArtifactError, match="only plain files"):
        artifacts.verify_artifact(tmp_path)
    with pytest.raises(artifacts.ArtifactError, match="only plain files"):
        artifacts.seal(tmp_path, model="demo")
    (tmp_path / "model.pkl").unlink()
    (tmp_path / "params.json").unlink()
    with pytest.raises(artifacts.ArtifactError, match=r"params\.json is missing"):
        artifacts.verify_artifact(tmp_path)


def test_links_are_refused(tmp_path):
    _write(tmp_path / "a")
    (tmp_path / "a" / "link.json").symlink_to(tmp_path / "a" / "params.json")
    with pytest.raises(artifacts.ArtifactError, match="only plain files"):
        artifacts.verify_artifact(tmp_path / "a")


def test_other_model_hash_format_and_unsealed_are_refused(tmp_path):
    _write(tmp_path)
    with pytest.raises(artifacts.ArtifactError, match="belongs to model 'demo'"):
        artifacts.verify_artifact(tmp_path, model="other")
    with pytest.raises(artifacts.ArtifactError, match="on record is"):
        artifacts.verify_artifact(tmp_path, expected_sha="0" * 64)
    (tmp_path / "manifest.json").write_bytes(artifacts.canonical_json({"format": 2, "model": "demo", "files": {}}))
    with pytest.raises(artifacts.ArtifactError, match="format is 2"):
        artifacts.verify_artifact(tmp_path)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(artifacts.ArtifactError, match=r"manifest\.json is missing"):
        artifacts.verify_artifact(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(artifacts.ArtifactError, match="holds no part"):
        artifacts.seal(tmp_path / "empty", model="demo")


def test_objects_and_nan_in_json_are_refused(tmp_path):
    with pytest.raises(artifacts.ArtifactError, match="holds Python objects"):
        artifacts.save_arrays(tmp_path, "bad", {"o": np.array([{}], dtype=object)})
    with pytest.raises(ValueError, match="JSON"):
        artifacts.save_json(tmp_path, "bad", {"x": float("nan")})
    np.savez(tmp_path / "pickled.npz", o=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        artifacts.load_arrays(tmp_path, "pickled")


def test_boosters_are_text(tmp_path):
    import lightgbm

    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 3))
    data = lightgbm.Dataset(x, x[:, 0] * 2 + x[:, 1])
    settings = {"objective": "regression", "verbosity": -1, "num_threads": 1, "deterministic": True, "seed": 1, "num_leaves": 7}
    booster = lightgbm.train(settings, data, num_boost_round=5)
    artifacts.save_booster(tmp_path, "mean", booster)
    artifacts.seal(tmp_path, model="demo")
    loaded = artifacts.load_booster(tmp_path, "mean")
    assert np.array_equal(loaded.predict(x), booster.predict(x))
    before = (tmp_path / "mean.txt").read_bytes()
    artifacts.save_booster(tmp_path, "mean", loaded)
    assert (tmp_path / "mean.txt").read_bytes() == before
