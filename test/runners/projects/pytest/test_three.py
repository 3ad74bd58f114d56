from only_mine import only_mine


def test_three_sees_the_migrated_rows_and_its_own(lakelet_database):
    assert only_mine(lakelet_database, "three") == (["migrated"], ["migrated", "three"])


def test_three_has_one_database_for_the_file(lakelet_database):
    assert only_mine(lakelet_database, "three again")[0] == ["migrated", "three"]
