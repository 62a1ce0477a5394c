"""
Multiple imputation and its uncertainty
=======================================

:class:`~skae.AutoencoderImputer` imputes missing cells of a table. With
``sample_posterior=True`` it draws them from their conditional distribution, so
that the uncertainty of a result is that of several imputed tables.
"""

# %%
# A table with missing values
# ---------------------------
#
# Measurements of wine, of which a third is removed at random.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine

from skae import AutoencoderImputer

wine = load_wine(as_frame=True)
table = wine.data[["alcohol", "total_phenols", "flavanoids", "proline"]]
mask = np.random.default_rng(1).random(table.shape) < 0.33
missing = table.mask(mask)
print(missing.head())

# %%
# Conditional means
# -----------------
#
# The result is a DataFrame with the same index and columns. Observed cells are
# unchanged. ``imputation_errors_`` estimates the error of each column from
# values that fit hides.

imputer = AutoencoderImputer(random_state=0).fit(missing)
imputed = imputer.transform(missing)
print(imputed.head())
for name, error in zip(table.columns, imputer.imputation_errors_, strict=True):
    column = mask[:, table.columns.get_loc(name)]
    found = np.sqrt(np.square(imputed[name] - table[name])[column].mean())
    print(
        f"{name:14} standard deviation {table[name].std():7.2f}, "
        f"estimated error {error:7.2f}, error {found:7.2f}"
    )

# %%
# Several draws
# -------------
#
# Conditional means vary less than the true values. Draws have their spread:

imputer.set_params(sample_posterior=True)
draws = [
    imputer.set_params(random_state=seed).transform(missing)
    for seed in range(10)
]

x, y = "total_phenols", "flavanoids"
cells = mask[:, 1] | mask[:, 2]
figure, axes = plt.subplots(
    1, 3, figsize=(9, 3.2), sharex=True, sharey=True, layout="constrained"
)
for ax, title, values in zip(
    axes,
    ["true values", "conditional means", "one draw"],
    [table, imputed, draws[0]],
    strict=True,
):
    ax.scatter(values[x][~cells], values[y][~cells], s=8, color="lightgray")
    ax.scatter(values[x][cells], values[y][cells], s=8, color="tab:orange")
    ax.set(title=title, xlabel=x)
axes[0].set_ylabel(y)
plt.show()

# %%
# Rubin's rules
# -------------
#
# The correlation of two columns, with its standard error. The variance between
# the draws adds the uncertainty due to missing values. Fisher's transformation
# of a correlation has the variance 1 / (n - 3) in a complete table.


def transformed_correlation(values):
    return np.arctanh(np.corrcoef(values[x], values[y])[0, 1])


estimates = np.array([transformed_correlation(draw) for draw in draws])
within = 1 / (len(table) - 3)
between = estimates.var(ddof=1)
total = within + (1 + 1 / len(draws)) * between
low, high = np.tanh(
    estimates.mean() + 1.96 * np.sqrt(total) * np.array([-1, 1])
)
print(f"all values        {np.tanh(transformed_correlation(table)):.2f}")
print(f"conditional means {np.tanh(transformed_correlation(imputed)):.2f}")
print(
    f"draws             {np.tanh(estimates.mean()):.2f}, "
    f"95 % interval {low:.2f} to {high:.2f}"
)

# %%
# Guide
# -----
#
# :doc:`/guide/missing_values` describes the estimates and the draws.
