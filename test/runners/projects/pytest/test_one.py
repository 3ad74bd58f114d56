from only_mine import only_mine


def test_one_sees_the_migrated_rows_and_its_own(lakelet_database):
    assert only_mine(lakelet_database, "one") == (["migrated"], ["migrated", "one"])


def test_one_has_one_database_for_the_file(lakelet_database):
    assert only_mine(lakelet_database, "one again")[0] == ["migrated", "one"]
