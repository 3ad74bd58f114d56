from only_mine import only_mine


def test_four_sees_the_migrated_rows_and_its_own(lakelet_database):
    assert only_mine(lakelet_database, "four") == (["migrated"], ["migrated", "four"])


def test_four_has_one_database_for_the_file(lakelet_database):
    assert only_mine(lakelet_database, "four again")[0] == ["migrated", "four"]
