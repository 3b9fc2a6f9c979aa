"""How faces hang together: edges by the number of faces on them, and connected components."""

import numpy as np
from jaxtyping import Int, Int64


def count_edges_by_faces(faces: Int[np.ndarray, "f 3"]) -> dict[int, int]:
    """How many edges lie on 1 face (the boundary), on 2, on 3 and more (non-manifold): {faces on it: edges}."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1).astype(np.int64)
    _, uses = np.unique(edges[:, 0] * (int(faces.max()) + 1) + edges[:, 1], return_counts=True)
    on, count = np.unique(uses, return_counts=True)
    return dict(zip(on.tolist(), count.tolist()))


def count_components(faces: Int[np.ndarray, "f 3"]) -> int:
    """How many pieces the faces form, two faces being joined where they share a vertex."""
    return len(np.unique(components(faces)))


def components(faces: Int[np.ndarray, "f 3"]) -> Int64[np.ndarray, " f"]:
    """A number for each face that the faces of its piece share, those that it is joined to through vertices."""
    label: Int64[np.ndarray, " n"] = np.arange(int(faces.max()) + 1)
    while True:
        # Each face pulls its corners, and their labels' own labels, to its smallest label; then labels are followed.
        smallest = label[faces].min(axis=1)
        before = label.copy()
        for corner in range(3):
            np.minimum.at(label, before[faces[:, corner]], smallest)
            np.minimum.at(label, faces[:, corner], smallest)
        label = label[label]
        if np.array_equal(label, before):
            return label[faces[:, 0]]
