"""The search for formulas, in NumPy: nothing is compiled, so that every call costs the same.

The rooms, in the order in which a table goes through them:

    settings    every number that decides, with its reason
    forms       what a formula may be: values and gradients of its terms
    candidate   one formula with its numbers, errors and evidence: what the search hands over
    lattice     simple numbers and the prices of their names
    dimensions  units of measure: which products are consistent, and what naming one among them costs
    columns     a table made ready: logarithms, signs, weights; `tables` the same in several sizes
    screening   which of many inputs go on
    library     products of simple powers; `starts` fits begin from them
    fit         Levenberg-Marquardt on many formulas at once; `climb` walks on the lattice where inputs are narrow
    evidence    joint, priced by the name
    rounding    exponents first, jointly; coefficients move along
    structure   a formula of given form, fitted, rounded, merged: `fit_structure`
    sums        sums of products and powers of sums; `quotients`, `functions`, `shifted` ones with a phase or a level,
                `derived` columns; `wider`: their order
    consistent  formulas with consistent units, of few terms all of them; `guess`, what a person proposes
    rivals      neighbours of the best, and which formulas are one law
    misfit      what residuals tell; `verdict` what the data allow to say
    search      leads through all of them
    profile     intervals of the numbers of a formula that was found

`lattice`, `rounding.losses` and `rounding.fix`, `evidence.negative_log_evidence` and `misfit` know nothing of tables.
"""
