"""Rows that are kept sparse are those of SciPy, whatever is chosen of them, and are not copied."""

import numpy as np
import pytest
import torch
from scipy import sparse

from cospike.sparse_rows import SparseRows

DENSE = np.random.default_rng(0).poisson(0.3, size=(40, 17)) * np.random.default_rng(1).integers(1, 9, (40, 17))


@pytest.fixture(params=[np.float32, np.float64, np.int32, np.int64, np.uint16, np.int8])
def matrix(request):
    return sparse.csr_matrix(DENSE.astype(request.param))


@pytest.mark.parametrize(
    "chosen", [slice(None), slice(3, 9), slice(0, 0), [5, 5, 2], np.array([7, 0]), np.arange(40) % 3 == 0]
)
def test_what_is_chosen_is_what_scipy_chooses(matrix, chosen):
    rows = SparseRows.from_csr(matrix)[chosen]
    expected = DENSE[chosen]
    assert rows.shape == expected.shape
    assert len(rows) == len(expected)
    np.testing.assert_array_equal(rows.dense().numpy(), expected)
    assert rows.dense().dtype == torch.float32
    again = np.zeros(expected.shape)
    if len(rows):
        row, column, value = rows.content()
        again[row, column] = value
    np.testing.assert_array_equal(again, expected)


def test_choices_of_choices_and_parts_add_up(matrix):
    rows = SparseRows.from_csr(matrix)
    np.testing.assert_array_equal(rows[5:30][[0, 3]].dense(), DENSE[5:30][[0, 3]])
    np.testing.assert_array_equal(rows.index_select(0, torch.tensor([9, 1])), DENSE[[9, 1]])
    np.testing.assert_array_equal(torch.cat(list(rows[2:].split(7))), DENSE[2:])
    np.testing.assert_array_equal(rows[[3]].every_row().dense(), DENSE)
    np.testing.assert_array_equal(rows.to("cpu").dense(), DENSE)
    with pytest.raises(ValueError, match="rows alone"):
        rows.index_select(1, torch.tensor([0]))


def test_the_memory_is_the_matrixs_own():
    matrix = sparse.csr_matrix(DENSE.astype(np.float32))
    rows = SparseRows.from_csr(matrix)[10:20]
    matrix.data[:] = 3
    assert set(rows.dense().unique().tolist()) == {0.0, 3.0}


def test_a_matrix_that_names_an_entry_twice_is_added_up():
    twice = sparse.csr_matrix((np.array([1.0, 2.0, 4.0]), np.array([1, 1, 0]), np.array([0, 2, 3])), shape=(2, 3))
    np.testing.assert_array_equal(SparseRows.from_csr(twice).dense(), [[0, 3, 0], [4, 0, 0]])
    assert twice.nnz == 3, "the user's own stays as it is"
