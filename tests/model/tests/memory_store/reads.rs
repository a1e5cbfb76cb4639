//! A read gives all words of one write.

use crate::{
    atomics::{Weakened, weaken},
    explore,
    seqlock::SeqLock,
};
use loom::{sync::Mutex, thread};
use std::sync::Arc;

type Words = SeqLock<2>;

/// Both words of a write are equal.
fn assert_whole(words: [u64; 2]) {
    let [first, second] = words;
    assert_eq!(first, second, "a mix of two writes");
}

fn assert_whole_if_read(words: &Words) {
    if let Some(words) = words.read() {
        assert_whole(words);
    }
}

/// One thread writes twice, and another one reads.
fn two_writes_and(read: fn(&Words)) {
    explore(move || {
        let words = Arc::new(Words::default());
        let writer = {
            let words = Arc::clone(&words);
            thread::spawn(move || {
                words.write([1, 1]);
                words.write([2, 2]);
            })
        };
        read(&words);
        writer.join().unwrap();
        assert_eq!(words.read(), Some([2, 2]));
    });
}

/// One thread writes once, and `readers` others read.
fn one_write_and(readers: usize, read: fn(&Words)) {
    explore(move || {
        let words = Arc::new(Words::default());
        let writer = {
            let words = Arc::clone(&words);
            thread::spawn(move || words.write([1, 1]))
        };
        let others = (1..readers).map(|_| {
            let words = Arc::clone(&words);
            thread::spawn(move || read(&words))
        });
        let others: Vec<_> = others.collect();
        read(&words);
        for thread in others.into_iter().chain([writer]) {
            thread.join().unwrap();
        }
    });
}

/// Two threads write, and another one reads.
fn two_writers_and_a_reader(writers_lock: bool) {
    explore(move || {
        let shared = Arc::new((Words::default(), Mutex::new(())));
        let writers = [1, 2].map(|value| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (words, mutex) = &*shared;
                let _guard = writers_lock.then(|| mutex.lock().unwrap());
                words.write([value, value]);
            })
        });
        let (words, _) = &*shared;
        assert_whole_if_read(words);
        for writer in writers {
            writer.join().unwrap();
        }
        assert_whole(words.read().unwrap());
    });
}

#[test]
fn a_reader_sees_one_of_two_writes() {
    two_writes_and(assert_whole_if_read);
}

#[test]
fn a_reader_never_goes_back_to_an_earlier_write() {
    one_write_and(1, |words| {
        let earlier = words.read();
        let later = words.read();
        if let (Some(earlier), Some(later)) = (earlier, later) {
            assert_whole(earlier);
            assert!(earlier <= later);
        }
    });
}

#[test]
fn two_readers_see_the_words_before_a_write_or_after_it() {
    one_write_and(2, assert_whole_if_read);
}

#[test]
fn a_reader_sees_one_of_two_writers() {
    two_writers_and_a_reader(true);
}

#[test]
fn a_reader_sees_a_replaced_word_in_the_write_it_belongs_to() {
    explore(|| {
        let words = Arc::new(Words::default());
        let writer = {
            let words = Arc::clone(&words);
            thread::spawn(move || {
                words.write([1, 1]);
                words.write_word::<1>(0);
                words.write([2, 2]);
            })
        };
        if let Some(words) = words.read() {
            assert!([[0, 0], [1, 1], [1, 0], [2, 2]].contains(&words));
        }
        writer.join().unwrap();
    });
}

#[test]
#[should_panic(expected = "a mix of two writes")]
fn words_without_their_version_are_found() {
    two_writes_and(|words| assert_whole([words.word::<0>(), words.word::<1>()]));
}

#[test]
#[should_panic(expected = "a mix of two writes")]
fn writers_without_a_lock_are_found() {
    two_writers_and_a_reader(false);
}

#[test]
#[should_panic(expected = "a mix of two writes")]
fn a_first_load_of_the_version_without_acquire_is_found() {
    let _weakened = weaken(Weakened::AcquireLoad);
    two_writes_and(assert_whole_if_read);
}

#[test]
#[should_panic(expected = "a mix of two writes")]
fn a_second_load_of_the_version_without_a_fence_is_found() {
    let _weakened = weaken(Weakened::AcquireFence);
    two_writes_and(assert_whole_if_read);
}

#[test]
#[should_panic(expected = "a mix of two writes")]
fn a_beginning_of_a_write_without_a_fence_is_found() {
    let _weakened = weaken(Weakened::ReleaseFence);
    two_writes_and(assert_whole_if_read);
}

#[test]
#[should_panic(expected = "a mix of two writes")]
fn an_end_of_a_write_without_release_is_found() {
    let _weakened = weaken(Weakened::ReleaseStore);
    two_writes_and(assert_whole_if_read);
}
