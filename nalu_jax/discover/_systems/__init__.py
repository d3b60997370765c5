"""The search for the equations of trajectories, in NumPy: nothing is compiled.

Regression only supplies starts. What decides is a fit of each candidate to the measurements themselves: multiple
shooting with a node at every sample, linearised, with errors of all states weighed as errors in variables (Bock 1983;
Bortz, Messenger, Dukic 2023). Around such a fit the whole library is priced at once, in closed form.

The rooms, in the order in which trajectories go through them:

    settings    every number that decides, with its reason
    terms       products of powers and functions of states: values and gradients; `library` which of them there are
    structure   which terms the equations have: rates and their derivatives
    smoothing   splines through trajectories, with as much noise as the likelihood says
    inputs      what drives the states, between its samples
    problem     trajectories made ready: scaled, smoothed in several ways
    weak        starts: regression on integrals of the splines
    exchanges   what states hand to each other, where sums of them are conserved; `signs` states that stay above 0
    flow        every interval between two samples at once: end states, propagators
    shooting    the fit of one structure; `evidence` what it is worth
    linear      terms added, dropped and exchanged, in closed form around a fit
    rational    starts of quotients; `saturating` of single products that saturate; `bars` that both say the same
    rates       numbers inside of functions; `inner` fits them; `powers` exponents as parameters, rounded
    search      leads through all of them; `varying` where numbers differ between trajectories
    verdict     what the data allow to say of the best
"""
