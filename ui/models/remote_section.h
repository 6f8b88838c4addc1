#pragma once

#include "ui/models/defaults_editor.h"
#include "ui/models/model_rows.h"
#include "ui/theme.h"

#include <QPointer>
#include <QWidget>

class QCheckBox;
class QLineEdit;
class QPushButton;

namespace hearth::ui {

class CardList;
struct CardRow;
class FlowLayout;
class Label;
class LabelledField;

/// What a person says of a server elsewhere: nothing holds before it is saved. GUI thread.
class RemoteEditor : public QWidget {
    Q_OBJECT

public:
    explicit RemoteEditor(const Theme&, QWidget* parent = nullptr);

    void setRow(const RemoteRow&); // what is being typed stays where it is the same engine
    void setProblem(const QString&, bool exposed);

    RemoteEditRow typed() const;

    QLineEdit& address() { return *address_; }

    QLineEdit& key() { return *key_; }

    QLineEdit& name() { return *name_; }

    QLineEdit& model() { return *model_; }

    QLineEdit& context() { return *context_; }

    QCheckBox& plain() { return *plain_; }

signals:
    void saved(const hearth::ui::RemoteEditRow&);
    void closed();
    void keyRemoved(const QString& path);

protected:
    void changeEvent(QEvent*) override;
    void keyPressEvent(QKeyEvent*) override;

private:
    void retranslate();
    void refresh();
    QLineEdit* field(LabelledField*&, int characters, FlowLayout*);

    const Theme& theme_;
    RemoteRow row_;
    QLineEdit *name_, *address_, *model_, *key_, *context_;
    LabelledField *nameField_, *addressField_, *modelField_, *keyField_, *contextField_;
    Label *offeredLabel_, *help_, *problem_;
    QWidget* offered_; // models to choose from
    QCheckBox* plain_;
    QPushButton *save_, *cancel_, *dropKey_;
    QString plainHost_; // that plain_ was checked for
    bool filled_ = false;
};

/// Servers elsewhere that answer as models: what each is and whether it is on; adding, changing, testing and removing
/// them. GUI thread.
class RemoteSection : public QWidget {
    Q_OBJECT

public:
    explicit RemoteSection(const Theme&, QWidget* parent = nullptr);

    void setRemotes(const QVector<RemoteRow>&, NetworkState);
    void setCurrent(const QString& path);

    void openEditor(const QString& path); // empty: for a new one
    void closeEditor();
    void setProblem(const QString&, bool exposed); // of what was saved just now: it was not

    RemoteEditor* editor() const { return editor_; } // null: closed

    void openDefaults(const QString& path);
    void closeDefaults();

    DefaultsEditor* defaults() const { return defaults_; } // null: closed

    CardList& cards() { return *cards_; }

    QPushButton& addButton() { return *add_; }

signals:
    void picked(const QString& path);
    void saved(const hearth::ui::RemoteEditRow&); // answered by closeEditor() or setProblem()
    void switched(const QString& path, bool on);
    void testRequested(const QString& path);
    void removeRequested(const QString& path);
    void keyRemoved(const QString& path);
    void networkAllowed();
    void defaultsChanged(const QString& path, const hearth::ui::ModelDefaultsRow&);

protected:
    void changeEvent(QEvent*) override;

private:
    void retranslate();
    void refresh();
    void act(const QString& path, const QString& action);
    CardRow cardOf(const RemoteRow&) const;
    ModelDetailsRow detailsOf(const RemoteRow&) const;

    const Theme& theme_;
    QVector<RemoteRow> rows_;
    NetworkState network_ = NetworkState::NotAsked;
    QString current_, opened_;
    Label *title_, *help_;
    QPushButton* add_;
    QWidget* newBox_;
    CardList* cards_;
    QPointer<RemoteEditor> editor_;
    QPointer<DefaultsEditor> defaults_; // of the card that is opened_; never both
};

} // namespace hearth::ui
