"""What is judged, beside what it is compared with: an implementation in one format and mode (``probe``), its oracle
(``oracles``), its results kept (``tabulated``), its operations (``traces``), the framework's function (``baseline``).
"""
