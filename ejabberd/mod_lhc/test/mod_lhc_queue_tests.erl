%%% The promises of the queue: the content of the disk after each kind of crash, what a reader gets, what is refused.
%%% Without eunit.hrl, which not every installation has. A failed match is a failed test.

-module(mod_lhc_queue_tests).

-export([order_test/0, acknowledged_test/0, restart_test/0, unacknowledged_test/0, torn_tail_test_/0, damaged_test/0,
         damaged_middle_test/0, damaged_header_test/0, empty_file_test/0, cursor_test/0, wiped_test/0, segments_test/0,
         purge_test/0, bytes_test/0, bound_test/0, bound_in_bytes_test/0, loss_test/0, crash_test/0, deadline_test/0, group_test/0,
         unusable_test/0, full_disk_test_/0, mode_test/0, down_test/0]).

-define(Q, mod_lhc_queue_under_test).
%% The file layout is documented in mod_lhc_queue.erl.
-define(HEADER, 33).
-define(RECORD, 17).

order_test() ->
    with(fun(Dir) ->
        start(Dir),
        empty = mod_lhc_queue:fetch(?Q, 10, 1000),
        [ok = append(N) || N <- lists:seq(1, 5)],
        ok = mod_lhc_queue:add(?Q, state, text(6)),
        receive mod_lhc_queue_more -> ok after 1000 -> error(not_notified) end,
        ok = mod_lhc_queue:flush(?Q),
        {ok, Id, 1, 3, First} = mod_lhc_queue:fetch(?Q, 3, 1000),
        36 = byte_size(Id),
        First = [json(Id, N) || N <- [1, 2, 3]],
        %% The same entries until they are acknowledged.
        {ok, Id, 1, 3, First} = mod_lhc_queue:fetch(?Q, 3, 1000),
        ok = mod_lhc_queue:ack(?Q, 3),
        {ok, Id, 4, 6, Second} = mod_lhc_queue:fetch(?Q, 10, 1000),
        Second = [json(Id, N) || N <- [4, 5, 6]],
        ok = mod_lhc_queue:ack(?Q, 6),
        empty = mod_lhc_queue:fetch(?Q, 10, 1000)
    end).

%% An acknowledgement with another seq than the last one of fetch/3 is ignored.
acknowledged_test() ->
    with(fun(Dir) ->
        start(Dir),
        [ok = append(N) || N <- [1, 2]],
        {ok, _, 1, 2, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
        ok = mod_lhc_queue:ack(?Q, 1),
        {ok, _, 1, 2, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
        ok = mod_lhc_queue:ack(?Q, 2),
        ok = mod_lhc_queue:ack(?Q, 2),
        #{entries := 0, bytes := 0, acked := 2, next := 3} = mod_lhc_queue:info(?Q)
    end).

restart_test() ->
    with(fun(Dir) ->
        start(Dir),
        [ok = append(N) || N <- lists:seq(1, 5)],
        {ok, Id, 1, 2, _} = mod_lhc_queue:fetch(?Q, 2, 1000),
        ok = mod_lhc_queue:ack(?Q, 2),
        die(),
        start(Dir),
        #{entries := 3, next := 6} = mod_lhc_queue:info(?Q),
        {ok, Id, 3, 5, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
        ok = append(6),
        ok = mod_lhc_queue:ack(?Q, 5),
        {ok, Id, 6, 6, [Json]} = mod_lhc_queue:fetch(?Q, 9, 1000),
        Json = json(Id, 6)
    end).

%% An entry is on disk when append/4 returns, even if the process is killed at once.
unacknowledged_test() ->
    with(fun(Dir) ->
        [begin
             start(Dir),
             ok = append(N),
             die()
         end || N <- lists:seq(1, 20)],
        start(Dir),
        {ok, _, 1, 20, _} = mod_lhc_queue:fetch(?Q, 100, 100000)
    end).

%% However much of the last record is on disk, the entries before it are kept, and its seq is not used again.
torn_tail_test_() ->
    {timeout, 30, fun() ->
        Size = ?RECORD + byte_size(json(<<0:288>>, 3)),
        [with(fun(Dir) ->
            start(Dir),
            [ok = append(N) || N <- [1, 2, 3]],
            die(),
            [File] = segments(Dir),
            truncate(File, filelib:file_size(File) - Cut),
            start(Dir),
            {ok, Id, 1, 2, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
            ok = append(4),
            ok = mod_lhc_queue:ack(?Q, 2),
            {ok, Id, Seq, Seq, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
            true = Seq >= 3,
            %% An entry written after the cut survives another restart.
            die(),
            start(Dir),
            {ok, Id, Seq, Seq, _} = mod_lhc_queue:fetch(?Q, 9, 1000)
        end) || Cut <- lists:seq(1, Size, 7)]
    end}.

%% The second of three entries is damaged: the first is kept, and the seqs of the others are not used again.
damaged_test() ->
    with(fun(Dir) ->
        start(Dir),
        [ok = append(N) || N <- [1, 2, 3]],
        die(),
        [File] = segments(Dir),
        Size = (filelib:file_size(File) - ?HEADER) div 3,
        flip(File, ?HEADER + Size + ?RECORD + 5),
        start(Dir),
        {ok, _, 1, 1, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
        ok = append(4),
        ok = mod_lhc_queue:ack(?Q, 1),
        {ok, _, Seq, Seq, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
        true = Seq > 3
    end).

%% Damage in an old segment does not lose the entries of later ones.
damaged_middle_test() ->
    with(fun(Dir) ->
        start(Dir, #{segment_bytes => 1}),
        [ok = append(N) || N <- [1, 2, 3]],
        die(),
        [_, Second, _] = segments(Dir),
        flip(Second, ?HEADER + ?RECORD + 5),
        start(Dir, #{segment_bytes => 1}),
        {ok, Id, 1, 3, Events} = mod_lhc_queue:fetch(?Q, 9, 1000),
        Events = [json(Id, 1), json(Id, 3)]
    end).

damaged_header_test() ->
    with(fun(Dir) ->
        start(Dir, #{segment_bytes => 1}),
        [ok = append(N) || N <- [1, 2, 3]],
        #{id := Id} = mod_lhc_queue:info(?Q),
        die(),
        [First, _, _] = segments(Dir),
        flip(First, 20),
        start(Dir),
        {ok, Id, 2, 3, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
        true = filelib:is_regular(First ++ ".bad"),
        #{next := Next} = mod_lhc_queue:info(?Q),
        true = Next > 3
    end).

%% A segment whose creation was not finished.
empty_file_test() ->
    with(fun(Dir) ->
        start(Dir),
        ok = append(1),
        #{id := Id} = mod_lhc_queue:info(?Q),
        die(),
        ok = file:write_file(filename:join(Dir, "00000000000000000002.seg"), <<"LHCQ">>),
        start(Dir),
        {ok, Id, 1, 1, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
        ok = append(2),
        [_] = segments(Dir)
    end).

%% Without a valid cursor the entries on disk appear again, with the same seqs.
cursor_test() ->
    with(fun(Dir) ->
        [begin
             start(Dir),
             [ok = append(N) || N <- [1, 2]],
             {ok, _, First, Last, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
             ok = mod_lhc_queue:ack(?Q, Last),
             die(),
             ok = file:write_file(filename:join(Dir, "cursor"), Content),
             start(Dir),
             {ok, _, 1, Last, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
             ok = mod_lhc_queue:ack(?Q, Last),
             true = Last > First,
             die()
         end || Content <- [<<>>, <<"torn">>, <<0:264>>]]
    end).

wiped_test() ->
    with(fun(Dir) ->
        start(Dir),
        ok = append(1),
        #{id := Old} = mod_lhc_queue:info(?Q),
        die(),
        [ok = file:delete(File) || File <- segments(Dir)],
        start(Dir),
        #{id := New, next := 1, entries := 0} = mod_lhc_queue:info(?Q),
        true = Old =/= New
    end).

segments_test() ->
    with(fun(Dir) ->
        start(Dir, #{segment_bytes => 500}),
        [ok = append(N) || N <- lists:seq(1, 30)],
        Many = length(segments(Dir)),
        true = Many > 3,
        {ok, _, 1, 10, _} = mod_lhc_queue:fetch(?Q, 10, 100000),
        ok = mod_lhc_queue:ack(?Q, 10),
        true = length(segments(Dir)) < Many,
        die(),
        start(Dir, #{segment_bytes => 500}),
        {ok, Id, 11, 30, Events} = mod_lhc_queue:fetch(?Q, 100, 100000),
        Events = [json(Id, N) || N <- lists:seq(11, 30)],
        ok = mod_lhc_queue:ack(?Q, 30),
        [_] = segments(Dir)
    end).

%% When the queue has been empty for a while, no entry is left on disk, and the seqs go on.
purge_test() ->
    with(fun(Dir) ->
        start(Dir, #{purge_after => 20}),
        ok = append(1),
        [Before] = segments(Dir),
        {ok, Id, 1, 1, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
        ok = mod_lhc_queue:ack(?Q, 1),
        %% The new segment is created before the old one is deleted.
        until(fun() -> case segments(Dir) of [Only] -> Only =/= Before; _ -> false end end),
        [After] = segments(Dir),
        ?HEADER = filelib:file_size(After),
        die(),
        start(Dir),
        ok = append(2),
        {ok, Id, 2, 2, _} = mod_lhc_queue:fetch(?Q, 9, 1000)
    end).

%% fetch/3 is limited by size, but returns an entry that is longer alone.
bytes_test() ->
    with(fun(Dir) ->
        start(Dir),
        [ok = append(N) || N <- [1, 2, 3]],
        Size = byte_size(json(<<0:288>>, 1)),
        {ok, _, 1, 2, _} = mod_lhc_queue:fetch(?Q, 9, 2 * Size),
        {ok, _, 1, 1, _} = mod_lhc_queue:fetch(?Q, 9, 2 * Size - 1),
        {ok, _, 1, 1, _} = mod_lhc_queue:fetch(?Q, 9, 1)
    end).

%% Ephemeral entries may fill three quarters of the bound, and do not count against messages.
bound_test() ->
    with(fun(Dir) ->
        start(Dir, #{max_entries => 8}),
        [mod_lhc_queue:add(?Q, ephemeral, text(N)) || N <- lists:seq(1, 20)],
        mod_lhc_queue:flush(?Q),
        #{entries := 6} = mod_lhc_queue:info(?Q),
        Answers = [append(N) || N <- lists:seq(1, 10)],
        {[ok, ok, ok, ok, ok, ok, ok, ok], [{error, full}, {error, full}]} = lists:split(8, Answers),
        [mod_lhc_queue:add(?Q, state, text(N)) || N <- lists:seq(1, 10)],
        mod_lhc_queue:flush(?Q),
        #{entries := 16} = mod_lhc_queue:info(?Q),
        %% The counts are the same after a restart, and acknowledged entries make room.
        die(),
        start(Dir, #{max_entries => 8}),
        #{entries := 16} = mod_lhc_queue:info(?Q),
        {error, full} = append(11),
        {ok, _, 1, 9, _} = mod_lhc_queue:fetch(?Q, 9, 100000),
        ok = mod_lhc_queue:ack(?Q, 9),
        ok = append(12)
    end).

bound_in_bytes_test() ->
    with(fun(Dir) ->
        start(Dir, #{max_bytes => 1000}),
        ok = append(1, binary:copy(<<"x">>, 990)),
        {error, full} = append(2),
        {ok, _, 1, 1, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
        ok = mod_lhc_queue:ack(?Q, 1),
        ok = append(3)
    end).

%% A loss of state entries is reported once, when there is room again.
loss_test() ->
    with(fun(Dir) ->
        start(Dir, #{max_entries => 4}),
        [mod_lhc_queue:add(?Q, state, text(N)) || N <- lists:seq(1, 9)],
        mod_lhc_queue:flush(?Q),
        {ok, _, 1, 2, _} = mod_lhc_queue:fetch(?Q, 2, 1000),
        ok = mod_lhc_queue:ack(?Q, 2),
        receive lost -> error(too_early) after 50 -> ok end,
        {ok, _, 3, 5, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
        ok = mod_lhc_queue:ack(?Q, 5),
        receive lost -> ok after 1000 -> error(not_notified) end,
        ok = append(1),
        receive lost -> error(reported_twice) after 50 -> ok end
    end).

%% A crash loses the mailbox and is reported. An orderly end loses nothing.
crash_test() ->
    with(fun(Dir) ->
        start(Dir),
        stop(),
        start(Dir),
        receive lost -> error(reported_without_loss) after 50 -> ok end,
        die(),
        start(Dir),
        receive lost -> ok after 1000 -> error(not_notified) end
    end).

%% An entry whose append/4 returned timeout is never written.
deadline_test() ->
    with(fun(Dir) ->
        start(Dir),
        sys:suspend(?Q),
        {error, timeout} = mod_lhc_queue:append(?Q, message, text(1), 1),
        sys:resume(?Q),
        ok = append(2),
        {ok, Id, 1, 1, [Json]} = mod_lhc_queue:fetch(?Q, 9, 1000),
        Json = json(Id, 1, text(2))
    end).

%% Entries that wait at the same time share a sync, and every caller gets an answer.
group_test() ->
    with(fun(Dir) ->
        start(Dir),
        Self = self(),
        sys:suspend(?Q),
        [spawn(fun() -> Self ! {answer, append(N)} end) || N <- lists:seq(1, 1000)],
        until(fun() -> element(2, process_info(whereis(?Q), message_queue_len)) >= 1000 end),
        sys:resume(?Q),
        [receive {answer, ok} -> ok after 5000 -> error(no_answer) end || _ <- lists:seq(1, 1000)],
        {ok, _, 1, 1000, _} = mod_lhc_queue:fetch(?Q, 2000, 1000000)
    end).

%% Without a usable folder messages are refused, until there is one.
unusable_test() ->
    with(fun(Dir) ->
        ok = filelib:ensure_dir(Dir),
        _ = file:del_dir(Dir),
        ok = file:write_file(Dir, <<"a file is in the way">>),
        start(Dir),
        {error, full} = append(1),
        ok = file:delete(Dir),
        until(fun() -> append(2) =:= ok end),
        receive lost -> ok after 1000 -> error(not_notified) end,
        {ok, _, _, _, _} = mod_lhc_queue:fetch(?Q, 9, 1000)
    end).

%% A full disk. Needs root to mount a file system, and is skipped otherwise.
full_disk_test_() ->
    {timeout, 30, fun() ->
        with(fun(Dir) ->
            ok = filelib:ensure_dir(filename:join(Dir, "x")),
            case os:cmd("mount -t tmpfs -o size=64k tmpfs " ++ Dir ++ " && echo -n mounted") of
                "mounted" ->
                    try full_disk(filename:join(Dir, "spool"))
                    after
                        stop(),
                        os:cmd("umount " ++ Dir)
                    end;
                _ -> ok
            end
        end)
    end}.

full_disk(Dir) ->
    start(Dir),
    Text = binary:copy(<<"x">>, 5000),
    Answers = [append(N, Text) || N <- lists:seq(1, 30)],
    Accepted = length([ok || ok <- Answers]),
    true = Accepted > 5 andalso Accepted < 30,
    %% All accepted entries are there and no refused one. When there is room again, further entries are accepted.
    {ok, _, 1, Accepted, Events} = mod_lhc_queue:fetch(?Q, 100, 1000000),
    Accepted = length(Events),
    ok = mod_lhc_queue:ack(?Q, Accepted),
    until(fun() -> append(31, <<"small">>) =:= ok end),
    {ok, Id, Seq, _, [Json | _]} = mod_lhc_queue:fetch(?Q, 100, 1000000),
    Json = json(Id, Seq, member(31, <<"small">>)).

%% Only the user of ejabberd can read the files, which contain messages.
mode_test() ->
    with(fun(Dir) ->
        start(Dir),
        ok = append(1),
        [File] = segments(Dir),
        8#600 = mode(File),
        8#700 = mode(Dir)
    end).

down_test() ->
    {error, down} = mod_lhc_queue:append(mod_lhc_no_such_queue, message, text(1), 100),
    ok = mod_lhc_queue:add(mod_lhc_no_such_queue, state, text(1)).

%%% ---------------------------------------------------------------- support

with(Test) ->
    Dir = filename:join(os:getenv("TMPDIR", "/tmp"),
                        "mod_lhc_queue_" ++ integer_to_list(erlang:unique_integer([positive])) ++ "_" ++ os:getpid()),
    %% An earlier test may have ended with a crash.
    persistent_term:erase({mod_lhc_queue, ?Q}),
    flush_mailbox(),
    try Test(Dir)
    after
        stop(),
        file:del_dir_r(Dir)
    end.

%% eunit runs all tests of a module in one process.
flush_mailbox() ->
    receive _ -> flush_mailbox() after 0 -> ok end.

start(Dir) ->
    start(Dir, #{}).

start(Dir, Options) ->
    Self = self(),
    Config = #{dir => Dir, max_entries => 100000, max_bytes => 100000000, on_loss => fun() -> Self ! lost end},
    {ok, Pid} = mod_lhc_queue:start_link(?Q, maps:merge(Config, Options)),
    unlink(Pid),
    Pid.

%% Without terminate/2, like a kill -9.
die() ->
    exit_queue(kill).

stop() ->
    exit_queue(shutdown).

exit_queue(Reason) ->
    case whereis(?Q) of
        undefined -> ok;
        Pid ->
            Ref = monitor(process, Pid),
            exit(Pid, Reason),
            receive {'DOWN', Ref, _, _, _} -> ok after 5000 -> error(stuck) end
    end.

append(N) ->
    mod_lhc_queue:append(?Q, message, text(N), 1000).

append(N, Text) ->
    mod_lhc_queue:append(?Q, message, member(N, Text), 1000).

text(N) ->
    member(N, <<"text">>).

member(N, Text) ->
    iolist_to_binary(["\"n\":", integer_to_list(N), ",\"text\":\"", Text, $"]).

json(Id, N) ->
    json(Id, N, text(N)).

json(Id, Seq, Members) ->
    iolist_to_binary(["{\"queueId\":\"", Id, "\",\"seq\":", integer_to_list(Seq), $,, Members, $}]).

segments(Dir) ->
    [filename:join(Dir, Name) || Name <- lists:sort(filelib:wildcard("*.seg", Dir))].

truncate(File, Size) ->
    {ok, Fd} = file:open(File, [read, write, raw]),
    {ok, Size} = file:position(Fd, Size),
    ok = file:truncate(Fd),
    ok = file:close(Fd).

flip(File, At) ->
    {ok, <<Before:At/binary, Byte, After/binary>>} = file:read_file(File),
    ok = file:write_file(File, <<Before/binary, (Byte bxor 1), After/binary>>).

mode(File) ->
    {ok, Info} = file:read_file_info(File),
    element(8, Info) band 8#777.

until(Condition) ->
    until(Condition, 300).

until(_, 0) ->
    error(timeout);
until(Condition, Left) ->
    Condition() orelse begin timer:sleep(20), until(Condition, Left - 1) end.
