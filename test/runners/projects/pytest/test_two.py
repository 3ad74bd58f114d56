from only_mine import only_mine


def test_two_sees_the_migrated_rows_and_its_own(lakelet_database):
    assert only_mine(lakelet_database, "two") == (["migrated"], ["migrated", "two"])


def test_two_has_one_database_for_the_file(lakelet_database):
    assert only_mine(lakelet_database, "two again")[0] == ["migrated", "two"]
