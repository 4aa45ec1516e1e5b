"""Results that were made elsewhere, by another accelerator or another program: files of bit patterns, and commands.

``vector_files`` reads and writes arrays of bit patterns, ``inputs`` says at which inputs there are results, ``golden``
reads published tables, ``recorded`` and ``command`` make implementations of the backend ``bits`` of them. A
``description`` is one of these as a JSON file, so that worker processes and later commands find it by its path.
"""
