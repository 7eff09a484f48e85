"""What was measured: readers, covariates, samples.

A file becomes observations in four steps. ``layouts`` and ``text`` read a ``RawTable`` of named
columns over times; ``roles`` says which of them are levels, wells and weather, by the words of
``terms``; ``columns`` and ``weather`` make series by well of them (``Levels``, ``Weather``);
``assemble`` puts these on one ``time_axis``, in m above a datum. ``understood`` reports each
decision.
"""
