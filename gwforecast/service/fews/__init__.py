"""Delft-FEWS: stored models as a module of its General Adapter, by the Published Interface.

References
----------
https://publicwiki.deltares.nl/display/FEWSDOC/The+Delft-Fews+Published+Interface
"""
