"""Files that an older version left behind, for the test that the program still reads them."""
