"""From a selection to the cells that will be judged (``plan``), and those as plain data (``outline``)."""
